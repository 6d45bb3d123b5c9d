-- What the SQL of every app uses: the clock, the day in India, and the guard of rows that never change.

-- The ledger's clock: the database's own, never the web process's. Tests put a movable one in its place.
CREATE OR REPLACE FUNCTION ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT clock_timestamp()
$$;

-- What a «day» is: the calendar day in India.
CREATE OR REPLACE FUNCTION ist_date(p_at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$
  SELECT (p_at AT TIME ZONE 'Asia/Kolkata')::date
$$;

-- Rows of the past are facts: a change is a new row.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: its rows never change', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'restrict_violation', HINT = 'Correct by adding a row.';
END $$;

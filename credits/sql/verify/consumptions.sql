-- What a consumption says has come back is what came back: the grants whose origin it is.
-- Amounts are compared by their difference: NaN equals itself, but less itself it is not nothing.
WITH returned AS (
  SELECT origin_id, sum(amount) AS credits FROM credit_grants WHERE origin_id IS NOT NULL GROUP BY origin_id
)
SELECT consumption.id AS consumption,
       consumption.returned - coalesce(returned.credits, 0) = 0 AS returned_is_the_sum_of_returned_grants,
       consumption.returned BETWEEN 0 AND consumption.amount AS no_more_is_returned_than_was_used
  FROM grant_consumptions consumption LEFT JOIN returned ON returned.origin_id = consumption.id

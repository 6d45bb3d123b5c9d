-- An account is made with its clinic; its key allows no second one.
SELECT clinic.id AS clinic,
       account.clinic_id IS NOT NULL AS every_clinic_has_an_account
  FROM clinics clinic LEFT JOIN credit_accounts account ON account.clinic_id = clinic.id

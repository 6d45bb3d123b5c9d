-- Repeats are found by the contact's own copy of the clinic: it must be the lead's.
SELECT lead.id AS lead,
       contact.clinic_id = lead.clinic_id AS contact_is_of_the_clinic_of_its_lead
  FROM leads lead LEFT JOIN lead_contacts contact ON contact.lead_id = lead.id

-- Provider profiles and providers are records of collections that version 1 does not know and takes for damage. The
-- tables stay as they are.
COMMENT ON TABLE moneyer_records IS 'Records, those of provider profiles and providers among them.';

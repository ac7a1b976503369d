-- Labels a user gave a volume, as a JSON object of texts.
ALTER TABLE volumes ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';

-- Example: volumes ('shop_data', 0, 1763971200000, '{"com.docker.compose.project":"shop"}')

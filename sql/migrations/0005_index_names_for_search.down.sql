-- migrate: no-transaction
-- Removed without blocking those who read the table; search goes on, and reads all of it.

DROP INDEX CONCURRENTLY "Authors_name_words_idx";

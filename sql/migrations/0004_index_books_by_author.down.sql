-- migrate: no-transaction
-- Removed without blocking those who read the table.

DROP INDEX CONCURRENTLY "Books_authorId_id_idx";

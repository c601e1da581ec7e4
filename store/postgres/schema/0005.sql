-- What moves a hold numbers it, under the lock of its instance. So the moves of an instance's holds are numbered in the order in which they can be seen,
-- and who knew all holds as of a number has to read only those that were moved later.
CREATE SEQUENCE hold_moved;
SELECT nextval('hold_moved'); -- what is numbered comes after what the sequence says now
ALTER TABLE hold ADD COLUMN moved bigint NOT NULL DEFAULT 0;
CREATE INDEX hold_moved_later ON hold (instance_id, moved);

-- When the allowance began that ran when a line item was told to recur otherwise: an earlier one does not come back by that.
ALTER TABLE line_item ADD COLUMN begun_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE line_item_change ADD COLUMN begun_ms INTEGER NOT NULL DEFAULT 0;

-- The key-value store, version 1. Names are blobs, so that they compare byte by byte.
-- Moments are milliseconds since the Unix epoch; NULL means never. What has expired counts as absent
-- until a later commit clears it away.

CREATE TABLE value (
  key BLOB NOT NULL PRIMARY KEY,
  value BLOB NOT NULL,
  expires_at INTEGER
);
CREATE INDEX value_expiring ON value (expires_at) WHERE expires_at IS NOT NULL;

-- Every counter of a key carries the key's one moment of expiry.
CREATE TABLE counter (
  key BLOB NOT NULL,
  field BLOB NOT NULL,
  amount INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (key, field)
) WITHOUT ROWID;
CREATE INDEX counter_expiring ON counter (expires_at) WHERE expires_at IS NOT NULL;

-- An index of the store. `size` counts its entries, expired ones included, so that nobody has to.
CREATE TABLE listing (
  id INTEGER PRIMARY KEY,
  name BLOB NOT NULL UNIQUE,
  size INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entry (
  listing INTEGER NOT NULL,
  member BLOB NOT NULL,
  score INTEGER NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (listing, member)
) WITHOUT ROWID;
CREATE INDEX entry_in_order ON entry (listing, score, member, expires_at);
CREATE INDEX entry_expiring ON entry (expires_at, listing) WHERE expires_at IS NOT NULL;

CREATE TRIGGER entry_listed AFTER INSERT ON entry BEGIN
  UPDATE listing SET size = size + 1 WHERE id = new.listing;
END;
CREATE TRIGGER entry_unlisted AFTER DELETE ON entry BEGIN
  UPDATE listing SET size = size - 1 WHERE id = old.listing;
  DELETE FROM listing WHERE id = old.listing AND size = 0;
END;

-- Written by `ping`, which thereby knows that the disk takes writes.
CREATE TABLE probe (moment INTEGER NOT NULL);
INSERT INTO probe VALUES (0);

PRAGMA user_version = 1;

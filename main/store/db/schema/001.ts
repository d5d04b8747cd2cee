/**
 * Conversations, their trees of messages, the parts of each message, and an index of the words.
 *
 * `message.parent` is no foreign key: a cascade along a conversation of 1,000 turns would pass SQLite's limit on the
 * depth of triggers. Messages go with their conversation. The index holds finished parts alone (`indexed`), so that
 * a reply that grows four times a second is indexed once. Trigrams, because Chinese and Japanese have no spaces.
 */
export default `
CREATE TABLE conversation (
  id         TEXT PRIMARY KEY,
  title      TEXT NOT NULL,
  titled_by  TEXT NOT NULL CHECK (titled_by IN ('auto', 'person')),
  head       TEXT,
  settings   TEXT NOT NULL,
  model      TEXT,
  pinned     INTEGER NOT NULL,
  draft      TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  deleted_at INTEGER
) STRICT;
CREATE INDEX conversation_by_time ON conversation (pinned DESC, updated_at DESC, id DESC);

CREATE TABLE message (
  id           TEXT PRIMARY KEY,
  conversation TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
  parent       TEXT,
  place        INTEGER NOT NULL,
  role         TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  state        TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  last_child   TEXT,
  author       TEXT,
  reason       TEXT,
  stats        TEXT,
  error        TEXT
) STRICT;
CREATE UNIQUE INDEX message_siblings ON message (conversation, ifnull(parent, ''), place);
CREATE INDEX message_unfinished ON message (state) WHERE state NOT IN ('done', 'failed', 'interrupted');

CREATE TABLE part (
  rowid      INTEGER PRIMARY KEY,
  message    TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  n          INTEGER NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('text', 'thinking', 'attachment')),
  text       TEXT NOT NULL,
  ms         INTEGER,
  attachment TEXT,
  indexed    INTEGER NOT NULL DEFAULT 0,
  UNIQUE (message, n)
) STRICT;

CREATE VIRTUAL TABLE part_words USING fts5 (text, content = 'part', content_rowid = 'rowid', tokenize = 'trigram');
CREATE TRIGGER part_leaves BEFORE DELETE ON part WHEN old.indexed = 1 BEGIN
  INSERT INTO part_words (part_words, rowid, text) VALUES ('delete', old.rowid, old.text);
END;
`

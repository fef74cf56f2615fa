-- Trigram and word indexes over run_text, without a second copy of the text; triggers keep them in step.
CREATE VIRTUAL TABLE run_trigrams USING fts5 (text, content='run_text', content_rowid='run', tokenize='trigram');
CREATE VIRTUAL TABLE run_bigrams USING fts5 (cjk, content='run_text', content_rowid='run', tokenize='unicode61');

CREATE TRIGGER run_text_added AFTER INSERT ON run_text BEGIN
    INSERT INTO run_trigrams (rowid, text) VALUES (new.run, new.text);
    INSERT INTO run_bigrams (rowid, cjk) VALUES (new.run, new.cjk);
END;

CREATE TRIGGER run_text_removed AFTER DELETE ON run_text BEGIN
    INSERT INTO run_trigrams (run_trigrams, rowid, text) VALUES ('delete', old.run, old.text);
    INSERT INTO run_bigrams (run_bigrams, rowid, cjk) VALUES ('delete', old.run, old.cjk);
END;

CREATE TRIGGER run_text_changed AFTER UPDATE ON run_text BEGIN
    INSERT INTO run_trigrams (run_trigrams, rowid, text) VALUES ('delete', old.run, old.text);
    INSERT INTO run_bigrams (run_bigrams, rowid, cjk) VALUES ('delete', old.run, old.cjk);
    INSERT INTO run_trigrams (rowid, text) VALUES (new.run, new.text);
    INSERT INTO run_bigrams (rowid, cjk) VALUES (new.run, new.cjk);
END;

-- How the audience of a broadcast was chosen: JSON of the selectors and the list; NULL: not known.
ALTER TABLE broadcast ADD COLUMN selection TEXT;

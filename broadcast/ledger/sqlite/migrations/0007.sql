-- Failed deliveries of which an earlier try was perhaps sent. A table of its own, because they are few.
CREATE TABLE doubtful (key INTEGER PRIMARY KEY);

-- What is perhaps sent is looked for whenever a broadcast is shown or taken up, also where a million
-- recipients stand in `waiting`, each with a time of their own.
CREATE INDEX waiting_in_doubt ON waiting (key) WHERE claimed = 1 OR doubt = 1;

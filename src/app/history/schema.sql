-- leastwise.history/1: what many runs found, tenants held and reviews decided, to be asked in SQL.
-- It is made anew from findings.json, snapshots and ledgers, which remain the truth. Instants are RFC 3339 in UTC, so that they sort.

PRAGMA application_id = 0x4c574849;
PRAGMA user_version = 1;

-- A file that was read.
CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,           -- findings, snapshot or ledger
  file TEXT NOT NULL,           -- its name, without folders
  sha256 TEXT NOT NULL,
  tenant TEXT NOT NULL,         -- lower-case; empty for code
  series TEXT NOT NULL,         -- what it can be compared with: the tenant, with the part of it that was read, or the code
  at TEXT NOT NULL,             -- judged_at, collected_at, or the last entry
  verdict TEXT NOT NULL         -- of findings: clean, findings or incomplete
) STRICT;

-- A finding of a run.
CREATE TABLE finding (
  source INTEGER NOT NULL REFERENCES source,
  fingerprint TEXT NOT NULL,
  rule TEXT NOT NULL,
  severity TEXT NOT NULL,
  confidence TEXT NOT NULL,
  disposition TEXT NOT NULL,    -- open, waived, baseline, existing or subsumed
  message TEXT NOT NULL,
  subject_kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  identity TEXT NOT NULL,
  principal_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  environment TEXT NOT NULL,
  role TEXT NOT NULL,
  role_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  scope_level TEXT NOT NULL,
  waiver TEXT NOT NULL,
  PRIMARY KEY (source, fingerprint)
) STRICT, WITHOUT ROWID;

-- How a rule went in a run.
CREATE TABLE rule_run (
  source INTEGER NOT NULL REFERENCES source,
  rule TEXT NOT NULL,
  status TEXT NOT NULL,         -- evaluated, not-applicable, inconclusive or disabled
  subjects INTEGER NOT NULL,
  findings INTEGER NOT NULL,
  inconclusive INTEGER NOT NULL,
  PRIMARY KEY (source, rule)
) STRICT, WITHOUT ROWID;

-- What a run could not read.
CREATE TABLE gap (
  source INTEGER NOT NULL REFERENCES source,
  what TEXT NOT NULL,
  scope TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  blocking INTEGER NOT NULL,
  count INTEGER NOT NULL
) STRICT;

-- A role assignment of a snapshot.
CREATE TABLE assignment (
  source INTEGER NOT NULL REFERENCES source,
  id TEXT NOT NULL,
  principal_id TEXT NOT NULL,
  role_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  condition TEXT NOT NULL,
  state TEXT NOT NULL,          -- active, time-bound or eligible
  created_on TEXT NOT NULL,
  created_by TEXT NOT NULL
) STRICT;

-- Whom a snapshot names: users, groups, applications and identities.
CREATE TABLE principal (
  source INTEGER NOT NULL REFERENCES source,
  principal_id TEXT NOT NULL,   -- lower-case
  name TEXT NOT NULL,
  kind TEXT NOT NULL,           -- as the directory says
  PRIMARY KEY (source, principal_id)
) STRICT, WITHOUT ROWID;

-- What roles are called.
CREATE TABLE role (
  source INTEGER NOT NULL REFERENCES source,
  role_id TEXT NOT NULL,        -- lower-case
  name TEXT NOT NULL,
  PRIMARY KEY (source, role_id)
) STRICT, WITHOUT ROWID;

-- A user-assigned identity of a snapshot.
CREATE TABLE identity (
  source INTEGER NOT NULL REFERENCES source,
  id TEXT NOT NULL,
  principal_id TEXT NOT NULL,
  client_id TEXT NOT NULL
) STRICT;

-- A campaign of a ledger.
CREATE TABLE campaign (
  source INTEGER NOT NULL REFERENCES source,
  name TEXT NOT NULL,
  opened_at TEXT NOT NULL,
  due TEXT NOT NULL,
  grants INTEGER NOT NULL,
  closed_at TEXT NOT NULL,      -- empty while it is open
  undecided INTEGER NOT NULL,   -- when it was closed
  acknowledged_by TEXT NOT NULL,
  PRIMARY KEY (source, name)
) STRICT, WITHOUT ROWID;

-- A grant in a campaign.
CREATE TABLE item (
  source INTEGER NOT NULL REFERENCES source,
  campaign TEXT NOT NULL,
  item TEXT NOT NULL,
  identity TEXT NOT NULL,
  principal_id TEXT NOT NULL,
  owner TEXT NOT NULL,
  role TEXT NOT NULL,
  role_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  via TEXT NOT NULL,
  privileged INTEGER NOT NULL,
  risk TEXT NOT NULL,
  recommendation TEXT NOT NULL,
  progress TEXT NOT NULL,       -- open, pending-second (nobody else approved it who may), or decided
  verdict TEXT NOT NULL,        -- of the decision that counts, where it is decided; the next three too
  decided_at TEXT NOT NULL,
  reviewer TEXT NOT NULL,
  second TEXT NOT NULL,
  PRIMARY KEY (source, campaign, item)
) STRICT, WITHOUT ROWID;

-- A decision, in the order in which they were recorded, whether or not it counts (see item). Who decided is as the file said.
CREATE TABLE decision (
  source INTEGER NOT NULL REFERENCES source,
  seq INTEGER NOT NULL,
  at TEXT NOT NULL,
  campaign TEXT NOT NULL,
  item TEXT NOT NULL,
  verdict TEXT NOT NULL,        -- approve, deny, narrow or dont-know
  reviewer TEXT NOT NULL,
  second TEXT NOT NULL,
  justification TEXT NOT NULL,
  expires TEXT NOT NULL,
  PRIMARY KEY (source, seq)
) STRICT, WITHOUT ROWID;

-- Open findings run by run.
CREATE VIEW run AS
SELECT s.id, s.tenant, s.series, s.at, s.verdict,
  count(*) FILTER (WHERE f.disposition = 'open' AND f.severity = 'critical') AS critical,
  count(*) FILTER (WHERE f.disposition = 'open' AND f.severity = 'high') AS high,
  count(*) FILTER (WHERE f.disposition = 'open' AND f.severity = 'medium') AS medium,
  count(*) FILTER (WHERE f.disposition = 'open' AND f.severity = 'low') AS low,
  count(*) FILTER (WHERE f.disposition = 'open' AND f.severity = 'info') AS info
FROM source s LEFT JOIN finding f ON f.source = s.id
WHERE s.kind = 'findings' GROUP BY s.id ORDER BY s.series, s.at;

-- The lives of a finding: one for each time that it was there, from the first run that had it to the last, and the run after that, in
-- which it was gone. A run that could not judge its rule ends none, nor does one in which it was waived.
CREATE VIEW finding_life AS
WITH ran AS (
  SELECT s.series, s.id AS source, s.at, r.rule, r.status = 'evaluated' AS sure,
    sum(r.status = 'evaluated') OVER (PARTITION BY s.series, r.rule ORDER BY s.at, s.id) AS done
  FROM source s JOIN rule_run r ON r.source = s.id),
there AS (
  SELECT ran.*, f.fingerprint, f.disposition,
    ran.done - sum(ran.sure) OVER (PARTITION BY ran.series, f.fingerprint ORDER BY ran.at, ran.source) AS missed
  FROM finding f JOIN ran ON ran.source = f.source AND ran.rule = f.rule),
life AS (
  SELECT series, fingerprint, rule, min(at) AS first_seen, max(at) AS last_seen, count(*) AS runs, max(done) AS done
  FROM there GROUP BY series, fingerprint, rule, missed HAVING sum(disposition = 'open') > 0)
SELECT l.series, l.fingerprint, l.rule, l.first_seen, l.last_seen, l.runs, (
  SELECT min(n.at) FROM ran n
  WHERE n.series = l.series AND n.rule = l.rule AND n.sure AND n.done = l.done + 1) AS gone_at
FROM life l;

-- How long findings of a rule take to be fixed, in days, from the first run that had them to the first that did not.
-- Gone is gone: what ended because a rule or the configuration changed counts as fixed, since no run says why a finding is not there.
CREATE VIEW time_to_fix AS
SELECT series, rule, count(gone_at) AS fixed, count(*) - count(gone_at) AS still_open,
  round(avg(julianday(gone_at) - julianday(first_seen)), 1) AS mean_days,
  round(max(julianday(gone_at) - julianday(first_seen)), 1) AS longest_days
FROM finding_life GROUP BY series, rule ORDER BY series, rule;

-- The life of a grant, by who holds what where and under which condition: ids and dates of assignments do not count.
CREATE VIEW grant_life AS
SELECT s.series, lower(a.principal_id) AS principal_id, max(p.name) AS principal, lower(a.role_id) AS role_id,
  max(r.name) AS role, lower(a.scope) AS scope, a.condition,
  min(s.at) AS first_seen, max(s.at) AS last_seen, count(DISTINCT s.id) AS snapshots
FROM assignment a JOIN source s ON s.id = a.source
LEFT JOIN principal p ON p.source = a.source AND p.principal_id = lower(a.principal_id)
LEFT JOIN role r ON r.source = a.source AND r.role_id = lower(a.role_id)
GROUP BY s.series, lower(a.principal_id), lower(a.role_id), lower(a.scope), a.condition;

-- Grants of campaigns that are decided, with the decision that counts: one that waits for a second approver does not.
CREATE VIEW last_decision AS
SELECT source, campaign, item, identity, principal_id, role, scope, privileged, verdict, decided_at, reviewer, second
FROM item WHERE progress = 'decided';

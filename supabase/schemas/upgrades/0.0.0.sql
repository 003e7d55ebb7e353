-- From what there was before releases had numbers: tables of that time get the shape they have now.
--
-- Code is gone by now and not here yet, so nothing of it may be called, and triggers that would call it are
-- off. What needs the new code comes after it: see 0.0.0_after.sql. What is new as a whole (tables, indexes,
-- settings) is made with the rest.

alter table strata.settings disable trigger user;
alter table strata.schedules disable trigger user;

-- Values that were the defaults then, and that belong together, become those of now; what was changed is its
-- owner's.
update strata.schedules as s set cron = '2-57/5 * * * *'
 where s.job = 'strata-watchdog' and s.cron = '7,22,37,52 * * * *';
update strata.settings as s set value = 20 where s.name = 'silent_after' and s.value = 120;
update strata.settings as s set value = 30 where s.name = 'repeat_alerts' and s.value = 60;
update strata.settings as s set value = 30 where s.name = 'keep_messages' and s.value = 35;

alter table strata.self
  add column looked_at timestamptz,
  add column took_temporary boolean not null default false;
alter table strata.heartbeats
  add column hour timestamptz,
  add column hour_bytes bigint not null default 0;
alter table strata.keys add column mark text;

-- Links: a certificate that is not checked is its owner's decision, with a reason, which nobody had to give
-- then.
alter table strata.links
  add column skew interval,
  add column compared_at timestamptz,
  add column insecure_because text,
  add constraint links_reason_is_not_blank check (btrim(insecure_because) <> '');

-- Datasets: which policy was accepted is told by revision and digest now. The colder tier is told of each
-- anew.
alter table strata.datasets
  add column waits_for text,
  add column accepted_revision bigint,
  add column accepted_digest text,
  add column accepted_content text,
  add column ahead jsonb;
update strata.datasets as d set told_revision = null, told_shape = null;
alter table strata.holds add column waits_for text;

-- Moves: proofs of whole batches are bound to their move; the log's digest was read by nobody.
alter table strata.moves drop column digest;
alter table strata.moves_totals drop column digest;
alter table strata.manifests rename column seal to batch_proof;
alter table strata.manifests add column for_drain boolean not null default false;
update strata.manifests as m set batch_proof = sha256(uuid_send(m.move_id) || m.batch_proof);
update strata.manifests as m set for_drain = true
 where exists (select from strata.drain_moves as d where d.move_id = m.move_id);

alter table strata.arrivals
  add column versions xid[] not null default '{}',
  add column seed bigint not null default 0,
  add column brought bigint[] not null default '{}';
update strata.arrivals as a set refused = '[]' where a.closed_at is not null and a.refused <> '[]';

-- Drains: what the database and our role said of read-only is kept apart.
alter table strata.drains
  add column database_default boolean,
  add column role_default boolean;
update strata.drains as d set database_default = true where d.database_was_read_only;
alter table strata.drains drop column database_was_read_only;

-- Alerts and messages.
alter table strata.alert_kinds
  add column grace interval not null default '0',
  add column at_once boolean not null default false,
  add column of_moves boolean not null default false,
  add column of_rows boolean not null default false;
alter table strata.outbox
  add column at_once boolean not null default false,
  drop constraint outbox_kind_is_known,
  add constraint outbox_kind_is_known check (kind in ('alert', 'clear', 'digest', 'report', 'notice'));

-- Ledger and audit. Counts go on. Digests of that time lay there without a mask and without strips: they are
-- wiped, as if a new frame began, and what rows were like then is only counted from now on (see CHANGELOG).
alter table strata.ledger
  add column strips bigint[],
  add column mask text;
update strata.ledger as l set digest = 0, strips = array_fill(0::bigint, array[64]), mask = 'before';
alter table strata.ledger
  alter column strips set not null,
  alter column mask set not null;
alter table strata.met alter column digest type bytea
  using int8send(digest) || '\x000000000000000000000000000000000000000000000000'::bytea;
alter table strata.met rename column digest to fingerprint;

delete from strata.keys_beyond; -- looked for anew by the next audit
alter table strata.keys_beyond alter column key type bytea using '\x'::bytea;

alter type strata.sight rename to sight_before;
create type strata.sight as (
  rows bigint, digest bigint, columns text[], shape text, strips bigint[],
  came_rows bigint, came_digest bigint, came_frames integer, came_columns text[], came_strips bigint[],
  came_forgotten bigint, left_rows bigint, left_digest bigint, left_frames integer, left_columns text[],
  left_strips bigint[], left_forgotten bigint,
  met_rows bigint, met_digest bigint, met_frames integer, met_columns text[], met_strips bigint[],
  arrived_rows bigint, ahead bigint, differs text[], unseen text[]
);
alter table strata.audit_accounts
  alter column good type strata.sight using jsonb_populate_record(null::strata.sight, jsonb_build_object(
    'rows', (good).rows, 'digest', 0, 'columns', '[]'::jsonb, 'came_rows', (good).came_rows, 'came_digest', 0,
    'came_frames', (good).came_frames,
    'left_rows', (good).left_rows, 'left_digest', 0, 'left_frames', (good).left_frames,
    'met_rows', (good).met_rows, 'met_digest', 0, 'met_frames', (good).met_frames)),
  alter column seen type strata.sight using jsonb_populate_record(null::strata.sight, jsonb_build_object(
    'rows', (seen).rows, 'digest', 0, 'columns', '[]'::jsonb, 'came_rows', (seen).came_rows, 'came_digest', 0,
    'came_frames', (seen).came_frames,
    'left_rows', (seen).left_rows, 'left_digest', 0, 'left_frames', (seen).left_frames,
    'met_rows', (seen).met_rows, 'met_digest', 0, 'met_frames', (seen).met_frames)),
  add column aside strata.sight,
  add column mask text not null default 'before';
alter table strata.audit_accounts alter column mask drop default;
drop type strata.sight_before;
alter table strata.audit_findings
  add column keys text not null default '',
  drop constraint audit_findings_kind_is_known,
  add constraint audit_findings_kind_is_known
    check (kind in ('missing', 'besides', 'altered', 'rewound', 'doubled', 'beyond'));

-- The companion's tables were everybody's then. What a briefing said is forgotten after a while.
alter table strata.briefings
  drop constraint briefings_say_something,
  add constraint briefings_say_something
    check ((state <> 'delivering' or says is not null)
           and (state not in ('delivering', 'sent') or channel is not null));

alter table strata.settings enable trigger user;
alter table strata.schedules enable trigger user;

create table strata.quiet_hours (
  only_row boolean not null default true,
  starts time not null default '22:00',
  ends time not null default '07:00',
  zone text not null default 'UTC',
  constraint quiet_hours_pkey primary key (only_row),
  constraint quiet_hours_are_one_row check (only_row),
  constraint quiet_hours_zone_is_known check ((timestamptz 'epoch' at time zone zone) is not null)
);
comment on table strata.quiet_hours is
  'When only critical messages go out (one row, change it with an UPDATE): from, until, in which time zone. '
  'The same time twice: never quiet.';
alter table strata.quiet_hours enable row level security;

create table strata.channels (
  name text not null,
  is_configured boolean,
  configuration text,
  seen_at timestamptz,
  last_ok_at timestamptz,
  stopped_at timestamptz,
  next_try_at timestamptz,
  trouble_code text,
  trouble text,
  constraint channels_pkey primary key (name),
  constraint channels_name_is_known check (name in ('telegram', 'webhook')),
  constraint channels_trouble_has_its_code check ((trouble is null) = (trouble_code is null)),
  constraint channels_stop_for_a_reason check (stopped_at is null or trouble is not null)
);
comment on table strata.channels is
  'The ways to a person, as the function that uses them told at seen_at: is_configured (null: it has '
  'not been heard from yet), a hash of its configuration (another one lifts a stop), stopped_at and '
  'trouble when it refuses us.';
alter table strata.channels enable row level security;

create table strata.outbox (
  message_id bigint generated always as identity,
  key text not null,
  kind text not null,
  audience text not null,
  severity text not null,
  body jsonb not null,
  alerts bigint[] not null default '{}',
  made_at timestamptz not null,
  due_at timestamptz not null,
  expires_at timestamptz,
  at_once boolean not null default false,
  constraint outbox_pkey primary key (message_id),
  constraint outbox_key_is_unique unique (key),
  constraint outbox_kind_is_known check (kind in ('alert', 'clear', 'digest', 'report', 'notice')),
  constraint outbox_audience_is_known check (audience in ('owner', 'admin')),
  constraint outbox_severity_is_known check (severity in ('info', 'warning', 'critical'))
);
comment on table strata.outbox is
  'Messages to people: key (what is told; unique), body (what to render), alerts (the ids of those it '
  'tells of), when it is due and when it is of no use any more; at_once: somebody has asked for it and '
  'waits, quiet hours or not.';
alter table strata.outbox enable row level security;

create index outbox_made_idx on strata.outbox (made_at);

create table strata.deliveries (
  message_id bigint not null,
  channel text not null,
  state text not null,
  attempts integer not null default 0,
  parts_sent integer not null default 0,
  perhaps_sent boolean not null default false,
  lease uuid,
  leased_until timestamptz,
  next_try_at timestamptz,
  sent_at timestamptz,
  receipt jsonb,
  last_code text,
  last_error text,
  changed_at timestamptz not null,
  constraint deliveries_pkey primary key (message_id, channel),
  constraint deliveries_message_fkey foreign key (message_id)
    references strata.outbox (message_id) on delete cascade,
  constraint deliveries_channel_fkey foreign key (channel) references strata.channels (name),
  constraint deliveries_state_is_known check (state in ('waiting', 'claimed', 'sent', 'failed', 'dropped')),
  constraint deliveries_leased_iff_claimed
    check ((state = 'claimed') = (lease is not null and leased_until is not null)),
  constraint deliveries_sent_iff_sent check ((state = 'sent') = (sent_at is not null))
);
comment on table strata.deliveries is
  'One message on one channel: state, attempts, the lease of whoever is sending it, how many parts of a long '
  'message are out, whether it may have been seen already. No row: nobody has tried yet.';
alter table strata.deliveries enable row level security;

create index deliveries_channel_idx on strata.deliveries (channel);

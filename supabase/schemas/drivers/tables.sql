create table strata.leases (
  neighbour text not null,
  token uuid not null,
  expires_at timestamptz not null,
  constraint leases_pkey primary key (neighbour),
  constraint leases_link_fkey foreign key (neighbour) references strata.links (neighbour) on delete cascade
);
comment on table strata.leases is
  'Which run of the relay works on the link to a colder neighbour, and until when nobody else does.';
alter table strata.leases enable row level security;

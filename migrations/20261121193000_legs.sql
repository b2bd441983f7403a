-- A request is one or more legs, each with an event of its own.
alter table usage_events
    -- Of its request, from 1; 0 is not known.
    add column leg integer not null default 0,
    -- Another leg followed, which is the request: this one counts as none (`requests` is 0), its tokens and its money do.
    add column handed_on boolean not null default false,
    -- What the request had needed by then.
    add column retries integer not null default 0,
    add column fallbacks integer not null default 0,
    -- All times are from the beginning of the leg.
    add column first_token_ms bigint,
    add column upstream_ms bigint,
    add column overhead_us bigint not null default 0,
    -- Why it went to its deployment, in fixed words.
    add column rule text not null default '',
    -- The provider's, where it answered without success.
    add column status integer;

alter table usage_late
    add column leg integer not null default 0,
    add column handed_on boolean not null default false,
    add column retries integer not null default 0,
    add column fallbacks integer not null default 0,
    add column first_token_ms bigint,
    add column upstream_ms bigint,
    add column overhead_us bigint not null default 0,
    add column rule text not null default '',
    add column status integer;

-- Clients choose the names of their calls, and many may have the same one: the newest are found without the others.
create index usage_events_by_call_and_time on usage_events (call_id, at);
create index usage_late_by_call_and_time on usage_late (call_id, at);
drop index usage_events_by_call;

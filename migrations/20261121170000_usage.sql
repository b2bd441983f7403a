-- Usage as nodes report it (design §8). Money is in nano-dollars, times are the nodes'.
--
-- Nothing here refers to keys, teams or users by a foreign key: what was used stays when they go.

-- How far each start of a node's process has been taken in. What is at or below the mark is a duplicate, for good.
create table usage_marks (
    incarnation uuid primary key,
    node text not null,
    through bigint not null default 0,
    -- Numbers that the node could not read any more.
    lost bigint not null default 0,
    updated_at timestamptz not null default now()
);

-- One row per exchange with a provider; partitions by day (UTC) are made ahead and dropped after the retention.
create table usage_events (
    day date not null,
    incarnation uuid not null,
    seq bigint not null,
    node text not null,
    at timestamptz not null,
    call_id text not null,
    call_type text not null,
    endpoint text not null,
    stream boolean not null,
    -- The kind of the failure; null is success.
    failure text,
    model text not null,
    model_group text not null,
    provider text not null,
    provider_model text not null,
    deployment text not null,
    key_id text not null,
    key_hash bytea,
    key_alias text,
    team_id text,
    user_id text,
    organization_id text,
    end_user text,
    tags text[] not null,
    -- 1 reported, 2 estimated, 3 unknown.
    source smallint not null,
    -- More than one: a sum, whose detail was lost.
    requests bigint not null,
    failures bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    cache_write_tokens bigint not null,
    cache_write_1h_tokens bigint not null,
    reasoning_tokens bigint not null,
    input_audio_tokens bigint not null,
    output_audio_tokens bigint not null,
    service_tier text not null,
    -- Null: the price is not known.
    cost bigint,
    bound bigint,
    duration_ms bigint not null,
    first_byte_ms bigint,
    primary key (incarnation, seq, day)
) partition by range (day);
create index usage_events_by_time on usage_events (at);
create index usage_events_by_key on usage_events (key_id, at);
create index usage_events_by_call on usage_events (call_id);

-- Events of a day that has no partition: too old, or by a clock that is wrong. They count like all others.
create table usage_late (
    like usage_events,
    received_at timestamptz not null default now(),
    primary key (incarnation, seq)
);
create index usage_late_by_time on usage_late (at);
create index usage_late_by_receipt on usage_late (received_at);

-- Events that could not be stored. Their money counts.
create table usage_rejects (
    incarnation uuid not null,
    seq bigint not null,
    node text not null,
    received_at timestamptz not null default now(),
    reason text not null,
    cost bigint,
    event bytea not null,
    primary key (incarnation, seq)
);
create index usage_rejects_by_receipt on usage_rejects (received_at);

-- The fact rollup at its finest grain, written with the events. Absent texts are empty. Each replica writes a shard of its
-- own, so that replicas do not wait for each other.
create table usage_hourly (
    hour timestamptz not null,
    -- The first 16 bytes of the SHA-256 of the texts.
    fact uuid not null,
    shard smallint not null,
    key_id text not null,
    user_id text not null,
    team_id text not null,
    organization_id text not null,
    model text not null,
    model_group text not null,
    deployment text not null,
    provider text not null,
    endpoint text not null,
    requests bigint not null,
    failures bigint not null,
    -- Requests whose price is not known.
    unpriced bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_read_tokens bigint not null,
    cache_write_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost bigint not null,
    -- What may come on top of the cost, where usage was not reported.
    doubt bigint not null,
    duration_ms bigint not null,
    primary key (hour, fact, shard)
) with (fillfactor = 70);
create index usage_hourly_by_key on usage_hourly (key_id, hour);
create index usage_hourly_by_team on usage_hourly (team_id, hour) where team_id <> '';
create index usage_hourly_by_user on usage_hourly (user_id, hour) where user_id <> '';

-- What was spent since the last reset, beside the entities, so that no write of usage ever touches what authorises.
create table entity_spend (
    -- 0 everything (by shard), 1 key (by its stable id), 2 team, 3 user, 4 member (team, \x1f, user).
    kind smallint not null,
    id text not null,
    amount bigint not null,
    last_active timestamptz not null,
    primary key (kind, id)
) with (fillfactor = 70);

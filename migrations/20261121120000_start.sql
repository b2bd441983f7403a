-- The start: the history of changes, what is declared, and the nodes that follow it.
--
-- Money is in nano-dollars. A row's `owner` is the file that declares it; null is the API.

-- Which database this is. A copy that goes its own way gets a new id.
create table cluster (
    singleton boolean primary key default true check (singleton),
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default now()
);
insert into cluster default values;

-- The last change. Its row is locked by the last statement of every transaction that changes something, so that numbers
-- have no gaps and no two transactions share one.
create table change_head (
    singleton boolean primary key default true check (singleton),
    epoch bigint not null,
    seq bigint not null,
    hash bytea not null check (octet_length(hash) = 32)
);
insert into change_head (epoch, seq, hash) values (1, 0, sha256(''));

-- What each change touched, as kinds and ids in parallel. Contents are in the tables below.
create table change_log (
    epoch bigint not null,
    seq bigint not null,
    hash bytea not null check (octet_length(hash) = 32),
    kinds smallint[] not null,
    ids text[] not null,
    made_by text not null,
    made_at timestamptz not null default now(),
    primary key (epoch, seq)
);
insert into change_log (epoch, seq, hash, kinds, ids, made_by) values (1, 0, sha256(''), '{}', '{}', 'migrate');

-- A full sync that may lose more than half of a kind, once.
create table forced_versions (
    epoch bigint not null,
    seq bigint not null,
    by text not null,
    at timestamptz not null default now(),
    primary key (epoch, seq)
);

-- What holds for the whole gateway: an encoded resource.
create table settings (
    singleton boolean primary key default true check (singleton),
    resource bytea not null,
    owner text,
    updated_at timestamptz not null default now(),
    updated_by text
);

create table credentials (
    name text primary key,
    -- Encrypted JSON: the values as they were given.
    secret_values bytea not null,
    info jsonb not null default '{}',
    owner text,
    created_at timestamptz not null default now(),
    created_by text,
    updated_at timestamptz not null default now(),
    updated_by text
);

create table deployments (
    id text primary key,
    group_name text not null,
    -- Encrypted JSON: `litellm_params` as they were given.
    params bytea not null,
    -- `model_info` as it was given.
    info jsonb not null default '{}',
    -- Encrypted: the encoded resource that follows from both.
    resource bytea not null,
    credential text,
    blocked boolean not null default false,
    owner text,
    created_at timestamptz not null default now(),
    created_by text,
    updated_at timestamptz not null default now(),
    updated_by text
);
create index deployments_by_group on deployments (group_name);
create index deployments_by_credential on deployments (credential) where credential is not null;

create table teams (
    id text primary key,
    alias text,
    models text[] not null default '{}',
    aliases jsonb not null default '{}',
    rpm_limit bigint,
    tpm_limit bigint,
    max_parallel_requests integer,
    max_budget bigint,
    soft_budget bigint,
    budget_duration text,
    member_rpm_limit bigint,
    member_tpm_limit bigint,
    member_max_budget bigint,
    member_budget_duration text,
    spend bigint not null default 0,
    spend_generation bigint not null default 0,
    blocked boolean not null default false,
    tags text[] not null default '{}',
    metadata jsonb not null default '{}',
    owner text,
    created_at timestamptz not null default now(),
    created_by text,
    updated_at timestamptz not null default now(),
    updated_by text
);
create index teams_by_alias on teams (alias);

create table users (
    id text primary key,
    email text,
    alias text,
    role text not null default 'internal_user',
    models text[] not null default '{}',
    rpm_limit bigint,
    tpm_limit bigint,
    max_parallel_requests integer,
    max_budget bigint,
    soft_budget bigint,
    budget_duration text,
    spend bigint not null default 0,
    spend_generation bigint not null default 0,
    blocked boolean not null default false,
    metadata jsonb not null default '{}',
    owner text,
    created_at timestamptz not null default now(),
    created_by text,
    updated_at timestamptz not null default now(),
    updated_by text
);
create unique index users_by_email on users (lower(email)) where email is not null;

create table members (
    team_id text not null references teams on delete cascade,
    user_id text not null references users on delete cascade,
    role text not null default 'user',
    rpm_limit bigint,
    tpm_limit bigint,
    max_budget bigint,
    budget_duration text,
    spend bigint not null default 0,
    spend_generation bigint not null default 0,
    created_at timestamptz not null default now(),
    primary key (team_id, user_id)
);
create index members_by_user on members (user_id);

create table keys (
    -- SHA-256 of the key as clients send it.
    token bytea primary key check (octet_length(token) = 32),
    -- Outlives a change of the secret.
    id text not null unique,
    -- `sk-...abcd`
    name text not null,
    alias text unique,
    team_id text references teams on delete cascade,
    user_id text,
    service_account boolean not null default false,
    models text[] not null default '{}',
    aliases jsonb not null default '{}',
    allowed_routes text[] not null default '{}',
    rpm_limit bigint,
    tpm_limit bigint,
    max_parallel_requests integer,
    max_budget bigint,
    soft_budget bigint,
    budget_duration text,
    spend bigint not null default 0,
    spend_generation bigint not null default 0,
    expires_at timestamptz,
    blocked boolean not null default false,
    tags text[] not null default '{}',
    metadata jsonb not null default '{}',
    owner text,
    created_at timestamptz not null default now(),
    created_by text,
    updated_at timestamptz not null default now(),
    updated_by text
);
create index keys_by_team on keys (team_id) where team_id is not null;
create index keys_by_user on keys (user_id) where user_id is not null;
create index keys_by_creation on keys (created_at desc, token);

-- Secrets that a regeneration left valid for a while.
create table old_tokens (
    token bytea primary key check (octet_length(token) = 32),
    key_id text not null references keys (id) on delete cascade on update cascade,
    name text not null,
    expires_at timestamptz not null
);
create index old_tokens_by_key on old_tokens (key_id);

create table join_tokens (
    id text primary key,
    hash bytea not null unique check (octet_length(hash) = 32),
    node_group text not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);

-- What every node runs, as it told the replica it is connected to.
create table nodes (
    node text primary key,
    node_group text not null,
    incarnation bytea not null,
    release text not null,
    replica text not null,
    -- The subscription that says all this; another one of the same node takes the row over.
    stream bigint not null,
    connected boolean not null,
    cluster uuid,
    epoch bigint,
    seq bigint,
    hash bytea,
    -- Rows that it rejected, with reasons.
    rejected jsonb not null default '[]',
    -- Why it refused the last push as a whole.
    refused text,
    -- Why nothing is published to it.
    held text,
    heard_at timestamptz not null default now()
);

-- What files were applied. A replica whose file is not the newest serves what the database says.
create table applied_files (
    generation bigint primary key,
    hash bytea not null check (octet_length(hash) = 32),
    path text not null,
    applied_at timestamptz not null default now()
);

create table audit_log (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject text not null,
    details jsonb not null default '{}'
);
create index audit_log_by_time on audit_log (at);

-- Work that one replica does for all, with a number that fences off a former holder.
create table job_leases (
    job text primary key,
    holder text not null,
    fence bigint not null,
    until timestamptz not null
);

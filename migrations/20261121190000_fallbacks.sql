-- What keys and teams say of fallbacks: LiteLLM's `router_settings`, as far as they are honoured.
alter table keys add column router_settings jsonb not null default '{}';
alter table teams add column router_settings jsonb not null default '{}';

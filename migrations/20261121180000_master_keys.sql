-- The master keys of replicas are put in force by the same rules as files, as generations of their own.
alter table applied_files
    add column kind text not null default 'config' check (kind in ('config', 'master_key')),
    drop constraint applied_files_pkey,
    add primary key (kind, generation);

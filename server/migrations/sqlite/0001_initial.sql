create table accounts (
    id integer primary key autoincrement,
    password text,
    display_name text,
    sign_up_name text,
    is_active boolean not null,
    is_superuser boolean not null,
    created_at bigint not null,
    last_sign_in_at bigint,
    foreign_not_before bigint not null
);

create table identifiers (
    key text primary key,
    account_id bigint not null references accounts (id) on delete cascade,
    kind text not null,
    shown text not null,
    created_at bigint not null,
    unique (account_id, kind)
);

create table sessions (
    id bigint primary key,
    account_id bigint not null references accounts (id) on delete cascade,
    policy text not null,
    generation bigint not null,
    signed_in_at bigint,
    last_used_at bigint not null,
    access_expires_at bigint not null,
    expires_at bigint not null,
    ended_at bigint
);

create index sessions_account on sessions (account_id);
create index sessions_expiry on sessions (expires_at);

create table spent_tokens (
    jti text primary key,
    expires_at bigint not null
);

create index spent_tokens_expiry on spent_tokens (expires_at);

create table revocations (
    seq integer primary key autoincrement,
    session_id bigint,
    account_id bigint,
    reason text not null,
    at bigint not null
);

create index revocations_at on revocations (at);
create index revocations_account on revocations (account_id);

create table meta (
    name text primary key,
    value text not null
);

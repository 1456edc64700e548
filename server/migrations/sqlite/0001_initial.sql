create table accounts (
    id integer primary key autoincrement,
    password text,
    password_version bigint not null default 0,
    display_name text,
    sign_up_name text,
    is_active boolean not null,
    awaits_activation boolean not null,
    is_superuser boolean not null,
    created_at bigint not null,
    last_sign_in_at bigint,
    imported boolean not null,
    joined_at bigint,
    foreign_not_before bigint not null,
    undated_refused boolean not null,
    password_proved boolean not null,
    password_voided boolean not null default false,
    password_by_sign_in_at bigint,
    language text,
    session_generation bigint not null,
    foreign_id text,
    unusable_password text
);

create index accounts_waiting on accounts (created_at) where awaits_activation = true;
create index accounts_registered on accounts (id) where imported = false;
create unique index accounts_foreign_id on accounts (foreign_id) where foreign_id is not null;

create table identifiers (
    key text primary key,
    account_id bigint not null references accounts (id) on delete cascade,
    kind text not null,
    shown text not null,
    imported_as text,
    created_at bigint not null,
    verified_at bigint,
    owned_at bigint,
    left_at bigint
);

create index identifiers_account on identifiers (account_id);
create unique index identifiers_kind on identifiers (account_id, kind) where left_at is null;
create index identifiers_left on identifiers (left_at) where left_at is not null;

create table oauth_clients (
    id text primary key,
    name text not null,
    secret_hash text,
    is_public boolean not null,
    allows_password boolean not null,
    introspects boolean not null,
    created_at bigint not null
);

create table sessions (
    id bigint primary key,
    account_id bigint not null,
    account_generation bigint not null,
    policy text not null,
    key_hash text unique,
    refresh_hash text unique,
    client_id text references oauth_clients (id) on delete cascade,
    device_name text,
    scope text,
    generation bigint not null,
    refresh_secret text,
    attempt_hash text,
    created_at bigint not null,
    signed_in_at bigint,
    last_used_at bigint not null,
    access_expires_at bigint not null,
    tokens_end_at bigint not null,
    expires_at bigint not null,
    absolute_expires_at bigint,
    ended_at bigint,
    sweep_at bigint not null
);

create index sessions_account on sessions (account_id);
create index sessions_unended on sessions (account_id, account_generation, policy)
    where ended_at is null;
create index sessions_sweep on sessions (sweep_at);
create index sessions_client on sessions (client_id, id) where client_id is not null;

create table signing_keys (
    kid text primary key,
    algorithm text not null,
    public_key text not null,
    private_key text not null,
    created_at bigint not null,
    signs_from bigint not null,
    ends_at bigint
);

create table identities (
    provider text not null,
    subject text not null,
    account_id bigint not null references accounts (id) on delete cascade,
    email text,
    email_verified boolean not null,
    name text,
    avatar_url text,
    phone text,
    created_at bigint not null,
    last_used_at bigint not null,
    linked_by_sign_in_at bigint,
    primary key (provider, subject)
);

create index identities_account on identities (account_id);

create table pending_identities (
    hash text primary key,
    account_id bigint not null references accounts (id) on delete cascade,
    expires_at bigint not null
);

create index pending_identities_account on pending_identities (account_id);
create index pending_identities_expiry on pending_identities (expires_at);

create table pending_sign_ins (
    state_hash text primary key,
    provider text not null,
    redirect text,
    challenge text,
    created_at bigint not null,
    expires_at bigint not null,
    returned_at bigint,
    code_hash text unique,
    code_expires_at bigint,
    redeemed_at bigint,
    handle_hash text unique,
    sealed text,
    link_account_id bigint,
    link_session_id bigint,
    link_by_password boolean
);

create index pending_sign_ins_expiry on pending_sign_ins (expires_at);
create index pending_sign_ins_link on pending_sign_ins (link_account_id)
where link_account_id is not null;

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
    until bigint not null
);

create index revocations_until on revocations (until);
create index revocations_account on revocations (account_id);

create table one_time_tokens (
    hash text primary key,
    account_id bigint not null references accounts (id) on delete cascade,
    purpose text not null,
    address text not null,
    by_password boolean not null,
    is_bound boolean not null,
    kept_identities text,
    created_at bigint not null,
    expires_at bigint not null,
    spent_at bigint
);

create index one_time_tokens_account on one_time_tokens (account_id);
create unique index one_time_tokens_confirm on one_time_tokens (account_id)
where purpose = 'email_confirm' and spent_at is null;
create index one_time_tokens_expiry on one_time_tokens (expires_at);

create table outbox (
    id text primary key,
    account_id bigint references accounts (id) on delete set null,
    token_hash text references one_time_tokens (hash) on delete cascade,
    message text not null,
    recipient text not null,
    language text not null,
    link text,
    about text,
    created_at bigint not null,
    due_at bigint not null,
    waits_for text,
    leased boolean not null,
    attempts bigint not null,
    dead_at bigint,
    problem text
);

create index outbox_account on outbox (account_id);
create index outbox_token on outbox (token_hash);
create index outbox_waiting on outbox (waits_for) where waits_for is not null;
create index outbox_due on outbox (due_at) where dead_at is null;
create index outbox_created on outbox (created_at) where dead_at is null;

create table webhooks (
    id integer primary key autoincrement,
    change text,
    account_id bigint not null,
    at bigint not null,
    due_at bigint not null,
    attempts bigint not null
);

create index webhooks_due on webhooks (due_at);
create index webhooks_account on webhooks (account_id, id);

create table limit_counts (
    key text primary key,
    count bigint not null,
    ends_at bigint not null
);

create index limit_counts_end on limit_counts (ends_at);

create table adopted (
    kind text not null,
    key text not null,
    account_id bigint references accounts (id) on delete set null,
    seen text not null,
    password_version bigint not null,
    primary key (kind, key)
);

create index adopted_account on adopted (account_id) where account_id is not null;

create table known_places (
    account_id bigint not null references accounts (id) on delete cascade,
    network text not null,
    known_until bigint not null,
    primary key (account_id, network)
);

create index known_places_end on known_places (known_until);

create table events (
    id integer primary key autoincrement,
    at bigint not null,
    event text not null,
    reason text,
    account_id bigint,
    session_id bigint,
    client_id text,
    dialect text,
    address text,
    operator text,
    detail text,
    count bigint not null
);

create index events_account on events (account_id, id) where account_id is not null;
create index events_at on events (at);
create unique index events_refused on events (at, account_id, reason, address)
where event = 'refused';

create table account_attributes (
    account_id bigint primary key references accounts (id) on delete cascade,
    attributes text not null
);

create table api_numbers (
    name text primary key,
    number bigint not null unique,
    created_at bigint not null
);

create table meta (
    name text primary key,
    value text not null
);

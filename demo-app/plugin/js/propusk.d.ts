/** Sign-in for a Tauri app. Every operation rejects with a {@link PropuskError}. */

export interface NewAccount {
  password: string;
  email?: string;
  phone?: string;
  username?: string;
  displayName?: string;
}
/** A mailed link is given as text; the parts are read in Rust. */
export interface Profile {
  id: string | null;
  email: string | null;
  emailVerified: boolean | null;
  phone: string | null;
  username: string | null;
  displayName: string | null;
  hasPassword: boolean | null;
}
/** An absent member stays as it is; `null` removes it. */
export interface ProfileChanges {
  email?: string | null;
  phone?: string | null;
  username?: string | null;
  displayName?: string | null;
}
export interface ExistingTokens {
  access?: string;
  refresh?: string;
  /** Seconds since 1970, if the app kept it; a JWT contains it. */
  accessExpiresAt?: number;
}
export interface Session {
  id: string;
  deviceName: string | null;
  api: string;
  client: string | null;
  createdAt: number;
  lastUsedAt: number;
  expiresAt: number;
  current: boolean;
}
/** Something that the server has recorded about the account. */
export interface AccountEvent {
  /** What happened, such as `signed_in`. New names may be added. */
  event: string;
  /** Seconds since 1970; of `refused`, the start of the hour. */
  at: number;
  /** Why or how, such as `reused` of `session_ended`. */
  reason: string | null;
  sessionId: string | null;
  /** The API that received the request. */
  api: string | null;
  /** The OAuth client of the session. */
  client: string | null;
  /** The network of the request, as far as the server keeps it. */
  address: string | null;
  provider: string | null;
  /** Whether an operator of the server did it. */
  byOperator: boolean;
  /** How many times it happened. */
  count: number;
}
export interface Identity {
  provider: string;
  subject: string;
  email: string | null;
  name: string | null;
  avatarUrl: string | null;
  createdAt: number;
  lastUsedAt: number;
}
export interface Provider { name: string; title: string }

export type SignOutReason =
  | 'never_signed_in' | 'signed_out' | 'token_reused' | 'account_inactive'
  | 'answer_lost' | 'vault_lost' | 'expired' | 'ended';
export interface User {
  /** This sign-in; another one after signing in again. */
  signInId: string;
  sessionId: string | null;
  accountId: string | null;
}
export interface Status {
  phase: 'unknown' | 'signed_out' | 'signed_in' | 'refreshing' | 'offline';
  signedIn: boolean;
  user: User | null;
  /** Why no user is signed in, and the same as an English sentence. */
  reason: SignOutReason | null;
  reasonText: string | null;
  change:
    | 'initial' | 'signed_in' | 'adopted' | 'refreshed' | 'signed_out'
    | 'session_ended' | 'other_process' | 'profile_updated';
}
export type VaultState =
  | 'ready' | 'key_in_file' | 'locked' | 'no_key_store' | 'unreadable' | 'newer_version'
  | 'read_only' | 'without_locks' | 'rolled_back' | 'other_server';
export type Operation =
  | 'register' | 'activate' | 'resend_activation' | 'sign_in' | 'adopt' | 'refresh' | 'sign_out'
  | 'verify' | 'profile' | 'update_profile' | 'change_password' | 'delete_account'
  | 'request_reset' | 'confirm_reset' | 'provider_sign_in' | 'provider_token_sign_in'
  | 'sessions' | 'identities' | 'events' | 'export';
export type LinkOutcome =
  | { outcome: 'signed_in' }
  | { outcome: 'linked'; identity: Identity }
  | { outcome: 'already_completed' }
  | { outcome: 'unrelated' };
/** How the browser returns to the app: by its deep link, or to a port of this machine. */
export type Way = 'deep_link' | 'loopback';

export interface PropuskError {
  /** The reaction that the error needs. */
  kind:
    | 'signed_out' | 'rejected' | 'network' | 'retry_later' | 'other_sign_in' | 'cancelled'
    | 'storage' | 'unsupported' | 'protocol' | 'usage';
  /** An English sentence. */
  detail: string;
  /** With some of the kind `usage`: what the user did wrong. */
  code?: 'mailed_link';
  rejection?: {
    code: string;
    /** An English sentence for the user. */
    sentence: string;
    fields: { field: string; code: string; sentence: string | null }[];
  };
  retryAfterSeconds?: number;
  signOutReason?: SignOutReason;
  vaultState?: VaultState;
}

export function register(account: NewAccount): Promise<{ status: 'active' | 'activation_required' }>;
export function activate(link: string): Promise<null>;
export function resendActivation(email: string): Promise<null>;
export function signIn(input: { identifier: string; password: string }): Promise<null>;
export function signInWithProviderToken(input: { provider: string; token: string }): Promise<null>;
export function adopt(tokens: ExistingTokens): Promise<'adopted' | 'already_adopted'>;
export function refresh(): Promise<null>;
export function signOut(): Promise<'confirmed' | 'pending' | 'local_only'>;
export function forgetEverything(): Promise<null>;

export function verify(): Promise<boolean>;
export function profile(): Promise<Profile>;
export function cachedProfile(): Promise<Profile | null>;
export function updateProfile(changes: ProfileChanges, currentPassword?: string): Promise<Profile>;
export function requestReset(email: string): Promise<null>;
export function confirmReset(input: { link: string; newPassword: string }): Promise<null>;
export function changePassword(input: { newPassword: string; currentPassword?: string }): Promise<null>;
export function deleteAccount(currentPassword?: string): Promise<null>;

export function sessions(): Promise<Session[]>;
export function endSession(id: string, currentPassword?: string): Promise<null>;
export function endOtherSessions(currentPassword?: string): Promise<null>;
/** The events of the account, the newest first; `next` is the argument for the next page. */
export function accountEvents(before?: string): Promise<{ events: AccountEvent[]; next: string | null }>;
/** Everything that the server keeps of the account, as JSON text to be saved in a file. */
export function exportAccount(currentPassword?: string): Promise<string>;
export function identities(): Promise<Identity[]>;
export function unlink(input: { provider: string; subject: string; currentPassword?: string }): Promise<null>;

export function providers(): Promise<Provider[]>;
/** Opens the system's browser and waits until it returns. */
export function signInWithProvider(provider: string, way?: Way): Promise<LinkOutcome>;
export function linkWithProvider(provider: string, way?: Way, currentPassword?: string): Promise<LinkOutcome>;
/** Ends the wait of `signInWithProvider` and `linkWithProvider`: the user has closed the browser. */
export function cancelSignIn(): Promise<null>;
/** For a link that the system did not deliver as a deep link. */
export function completeSignIn(link: string): Promise<LinkOutcome>;

export function status(): Promise<Status>;
export function vaultState(): Promise<VaultState>;
export function offlineIdentity(trustedForSeconds: number): Promise<{
  user: User;
  profile: Profile | null;
  trust: 'fresh' | 'trusted_until' | 'must_go_online';
  /** Seconds since 1970, with `trusted_until`. */
  trustedUntil: number | null;
}>;
/** What is known of the access token; the token itself stays in Rust. */
export function accessToken(): Promise<{ user: User; expiresAt: number | null; masked: string }>;
/** What the API of the server can do. */
export function operations(): Promise<Operation[]>;
export function isAllowedOrigin(url: string): Promise<boolean>;
export function networkChanged(): Promise<null>;
export function finishPendingWork(limitSeconds: number): Promise<boolean>;

/** Calls back with the status now and after each change. Returns a function that stops it. */
export function onStatus(callback: (status: Status) => void): Promise<() => Promise<void>>;
/**
 * A deep link has completed a sign-in that no call waits for, or has failed; also before this call, such as
 * the link that started the app. Each result comes once, to one page.
 */
export function onLink(
  callback: (result: LinkOutcome | { error: PropuskError }) => void,
): Promise<() => Promise<void>>;

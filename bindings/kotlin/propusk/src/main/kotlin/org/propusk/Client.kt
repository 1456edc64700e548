// The client of an app: one server, one vault, and at most one signed-in account.
package org.propusk

import java.time.Instant
import kotlin.time.Duration
import kotlin.time.Duration.Companion.minutes
import kotlin.time.toJavaDuration
import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.flow.conflate
import org.propusk.ffi.Client as FfiClient
import org.propusk.ffi.SessionListener
import org.propusk.ffi.Status as FfiStatus

/**
 * Signs in at one server and keeps the session. Create one for each server and vault, and share it.
 *
 * Every suspending function can be cancelled: the caller continues at once. Errors are [PropuskException]s; those that
 * need no mention are [PropuskException.Network], [PropuskException.RetryLater], [PropuskException.Storage] and
 * [PropuskException.Unsupported].
 */
public class Client(options: ClientOptions) : AutoCloseable {
    internal val inner = translated { FfiClient(options.lower()) }

    /** Completed by [close]. */
    private val closed = Job()

    /** A client with default options. */
    public constructor(server: String, vault: Vault = Vault.memory()) : this(ClientOptions(server, vault))

    /** Whether the API of the server has the operation. */
    public fun supports(operation: Operation): Boolean = inner.supports(operation)

    /** Whether the access token may be sent to this address: the server's own origin and [ClientOptions.apiOrigins]. */
    public fun isAllowedOrigin(url: String): Boolean = inner.isAllowedOrigin(url)

    /**
     * Whether a user is signed in, and which one. It reads the vault if needed and does not wait for the network.
     * [PropuskException.Storage]: the vault cannot be read now; the user is not signed out.
     */
    public suspend fun status(): Status = (inner.knownStatus() ?: call { inner.status(it) }).translate()

    /**
     * The status now and after each change, also by other processes that share the vault. It starts with what is known:
     * call [status] once to read the vault. Between two slow reads of a collector, only the latest status is kept.
     * [close] completes it.
     */
    public val statuses: Flow<Status> = callbackFlow {
        val listener = object : SessionListener {
            override fun onStatus(status: FfiStatus) {
                trySend(status.translate())
            }
        }
        val watch = unlessClosed { inner.watch(listener) }
        val completion = closed.invokeOnCompletion { channel.close() }
        awaitClose {
            completion.dispose()
            watch?.stop()
            watch?.close()
        }
    }.conflate()

    /**
     * A valid access token, renewed if necessary. Usually this needs neither network nor disk. With [fresh], a token
     * that expires soon is renewed first, if that is possible now: within 60 to 90 s, or closer to its end if it is valid
     * for less than ten minutes. It is for a request whose body cannot be sent twice.
     */
    public suspend fun accessToken(fresh: Boolean = false): AccessToken =
        AccessToken(call { inner.accessToken(fresh, it) })

    /** As [accessToken], but only for this sign-in: [PropuskException.OtherSignIn] after another one. */
    public suspend fun accessTokenFor(user: SignedInUser, fresh: Boolean = false): AccessToken =
        AccessToken(call { inner.accessTokenFor(user, fresh, it) })

    /**
     * Another access token, after a server has refused this one. Callers with the same refused token share one renewal.
     * If the new token is refused too, do not ask again.
     */
    public suspend fun replaceAccessToken(refused: AccessToken): AccessToken =
        AccessToken(call { inner.replaceAccessToken(refused.inner, it) })

    /**
     * Another access token of the same sign-in, after this address has answered 401 to this one. An HTTP client then
     * sends the request once more. `null` if there is no other token or if it would not help, because an endpoint that
     * keeps refusing causes one renewal a minute: the HTTP client then returns the 401.
     */
    public suspend fun tokenAfterRefusal(url: String, refused: AccessToken): AccessToken? =
        call { inner.tokenAfterRefusal(url, refused.inner, it) }?.let(::AccessToken)

    /**
     * This address has answered a request with the token, and not with an error. An HTTP client reports it, so that a
     * later refusal by this address causes a renewal at once.
     */
    public fun noteAccepted(url: String) {
        unlessClosed { inner.noteAccepted(url) }
    }

    /** Renews the access token even if it is still valid. */
    public suspend fun refresh(): Unit = call { inner.refresh(it) }

    /** Creates an account. It does not sign in. [PropuskException.Rejected] with the problem of each field. */
    public suspend fun register(registration: Registration, password: String): Registered =
        call { inner.register(registration, password, it) }

    /** Confirms the e-mail address of a new account with the contents of the mailed link. */
    public suspend fun activate(link: MailedLink): Unit = call { inner.activate(link.inner, it) }

    /** Sends the activation mail again. */
    public suspend fun resendActivation(email: String): Unit = call { inner.resendActivation(email, it) }

    /**
     * Signs in with a password. The previous session is ended. [PropuskException.Rejected] with the code
     * `invalid_credentials` or `account_inactive`.
     */
    public suspend fun signIn(identifier: String, password: String): Unit =
        call { inner.signIn(identifier, password, it) }

    /** Signs in with an access token that a provider, such as `google`, has issued to the app. */
    public suspend fun signInWithProviderToken(provider: String, token: String): Unit =
        call { inner.signInWithProviderToken(provider, token, it) }

    /**
     * Signs in with a provider in one call: opens the browser and waits for the link that comes back. With a loopback
     * redirect it listens on a port of this machine. With another one it waits until the app passes the link to
     * [completeSignIn]. If the app is stopped meanwhile, [completeSignIn] alone completes the sign-in.
     *
     * [PropuskException.Cancelled] after the limit: a closed browser cannot be detected.
     */
    public suspend fun signInWithProvider(provider: String, browser: Browser, limit: Duration = 5.minutes): LinkOutcome =
        call { inner.signInWithProvider(provider, BrowserAdapter(browser), limit.toJavaDuration(), it) }.translate()

    /** Links another identity to the signed-in account in one call, as [signInWithProvider]. */
    public suspend fun linkWithProvider(
        provider: String,
        browser: Browser,
        currentPassword: String? = null,
        limit: Duration = 5.minutes,
    ): LinkOutcome =
        call { inner.linkWithProvider(provider, BrowserAdapter(browser), limit.toJavaDuration(), currentPassword, it) }
            .translate()

    /** The providers of the server. */
    public suspend fun providers(): List<Provider> = call { inner.providers(it) }

    /** Starts a sign-in that returns to the first redirect. Pass the returned link to [completeSignIn]. */
    public suspend fun beginSignIn(provider: String): BrowserSignIn =
        BrowserSignIn(call { inner.beginSignIn(provider, it) })

    /** Starts linking another identity. The password may be absent within five minutes after a sign-in. */
    public suspend fun beginLink(provider: String, currentPassword: String? = null): BrowserSignIn =
        BrowserSignIn(call { inner.beginLink(provider, currentPassword, it) })

    /**
     * Completes a sign-in with a link that the system has delivered, at the start or while the app runs. A link that
     * does not belong to a sign-in causes no request.
     */
    public suspend fun completeSignIn(link: String): LinkOutcome = call { inner.completeSignIn(link, it) }.translate()

    /** Cancels a sign-in whose browser the user has closed. */
    public suspend fun cancelSignIn(state: String): Unit = call { inner.cancelSignIn(state, it) }

    /**
     * Adopts tokens that the app kept before it used this SDK: a pair, a refresh token alone, or in [access] an API
     * token. When it returns, the tokens are in the vault: delete the old store then. No network is needed.
     * [PropuskException.OtherSignIn] while a user is signed in.
     */
    public suspend fun adopt(access: String?, refresh: String?, accessExpiresAt: Instant? = null): Adoption =
        call { inner.adopt(access, refresh, accessExpiresAt, it) }

    /** Signs out, with or without a network. Then the server is informed, for at most 5 s. */
    public suspend fun signOut(): SignOut = call { inner.signOut(it) }

    /** Asks the server whether the access token is valid. The session does not change. */
    public suspend fun verify(): Boolean = call { inner.verify(it) }

    /** Fetches the account and stores it for [cachedProfile]. */
    public suspend fun profile(): Profile = call { inner.profile(it) }

    /** The account as it was last fetched, without a request; `null` if it was never fetched. */
    public suspend fun cachedProfile(): Profile? = call { inner.cachedProfile(it) }

    /** Changes the account. Identifiers need the password or a sign-in within the last five minutes. */
    public suspend fun updateProfile(changes: ProfileChanges, currentPassword: String? = null): Profile =
        call { inner.updateProfile(changes.lower(), currentPassword, it) }

    /** Sends a mail with a link that resets the password. Success does not mean that the account exists. */
    public suspend fun requestReset(email: String): Unit = call { inner.requestReset(email, it) }

    /** Resets the password with the contents of the mailed link. */
    public suspend fun confirmReset(link: MailedLink, newPassword: String): Unit =
        call { inner.confirmReset(link.inner, newPassword, it) }

    /** Changes the password. On the native API the current one may be absent within five minutes after a sign-in. */
    public suspend fun changePassword(currentPassword: String?, newPassword: String): Unit =
        call { inner.changePassword(currentPassword, newPassword, it) }

    /** Removes everything that the vault contains, in whatever state it is: for a "start over" button. */
    public suspend fun forgetEverything(): Unit = call { inner.forgetEverything(it) }

    /** Deletes the account and its session. */
    public suspend fun deleteAccount(currentPassword: String? = null): Unit =
        call { inner.deleteAccount(currentPassword, it) }

    /**
     * Operations for this sign-in only: a dialog that one user has opened does not change or delete the account of the
     * next one. [PropuskException.OtherSignIn] if this sign-in is not the current one.
     */
    public suspend fun forUser(user: SignedInUser): BoundClient = BoundClient(call { inner.forUser(user, it) })

    /** The sessions of the account, the newest first. */
    public suspend fun sessions(): List<Session> = call { inner.sessions(it) }

    /** Ends another session of the account. */
    public suspend fun endSession(id: String, currentPassword: String? = null): Unit =
        call { inner.endSession(id, currentPassword, it) }

    /** Ends all other sessions of the account. */
    public suspend fun endOtherSessions(currentPassword: String? = null): Unit =
        call { inner.endOtherSessions(currentPassword, it) }

    /**
     * What has happened to the account, the newest first, in pages. The first page is without [before], each further
     * one with the `next` of the page before.
     */
    public suspend fun accountEvents(before: String? = null): AccountEvents = call { inner.accountEvents(before, it) }

    /**
     * Everything that the server keeps of the account, except secrets, as one JSON text, for a file of the user. It
     * needs the password or a sign-in within the last five minutes, and the owner gets a mail. It may have many MiB.
     */
    public suspend fun exportAccount(currentPassword: String? = null): String =
        call { inner.exportAccount(currentPassword, it) }

    /** The identities at providers with which the account signs in. */
    public suspend fun identities(): List<Identity> = call { inner.identities(it) }

    /** Removes an identity. [PropuskException.Rejected] with `nothing_to_sign_in_by` for the last way to sign in. */
    public suspend fun unlink(provider: String, subject: String, currentPassword: String? = null): Unit =
        call { inner.unlink(provider, subject, currentPassword, it) }

    /** The signed-in user, and whether the app may trust that offline if it trusts the server's last answer so long. */
    public suspend fun offlineIdentity(trustedFor: Duration): OfflineIdentity =
        call { inner.offlineIdentity(trustedFor.toJavaDuration(), it) }.translate()

    /** The state of the vault. */
    public suspend fun vaultState(): VaultState = call { inner.vaultState(it) }

    /** Reports that the network has changed or is available again. What waits for the server is retried at once. */
    public fun networkChanged(): Unit = inner.networkChanged()

    /** Waits until all background work is done, before a process exits. Returns whether it was within the limit. */
    public suspend fun finishPendingWork(limit: Duration): Boolean =
        call { inner.finishPendingWork(limit.toJavaDuration(), it) }

    /** Releases the client and completes [statuses]. Work that has begun is completed. */
    override fun close() {
        closed.complete()
        inner.close()
    }

    /** `null` if the client was closed before. */
    private inline fun <T> unlessClosed(block: () -> T): T? =
        try {
            block()
        } catch (error: IllegalStateException) {
            if (closed.isActive) throw error else null
        }
}

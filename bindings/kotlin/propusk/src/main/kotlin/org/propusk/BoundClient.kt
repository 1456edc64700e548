// Operations for one sign-in only.
package org.propusk

import org.propusk.ffi.BoundClient as FfiBoundClient

/**
 * Operations of a [Client] for one sign-in only; see [Client.forUser]. Each fails with [PropuskException.OtherSignIn]
 * after another sign-in has replaced this one, in this process or another: then nothing is sent.
 */
public class BoundClient internal constructor(private val inner: FfiBoundClient) {
    /** As [Client.profile]. */
    public suspend fun profile(): Profile = call { inner.profile(it) }

    /** As [Client.updateProfile]. */
    public suspend fun updateProfile(changes: ProfileChanges, currentPassword: String? = null): Profile =
        call { inner.updateProfile(changes.lower(), currentPassword, it) }

    /** As [Client.changePassword]. */
    public suspend fun changePassword(currentPassword: String?, newPassword: String): Unit =
        call { inner.changePassword(currentPassword, newPassword, it) }

    /** As [Client.deleteAccount]. */
    public suspend fun deleteAccount(currentPassword: String? = null): Unit =
        call { inner.deleteAccount(currentPassword, it) }

    /** As [Client.exportAccount]. */
    public suspend fun exportAccount(currentPassword: String? = null): String =
        call { inner.exportAccount(currentPassword, it) }

    /** As [Client.accountEvents]. */
    public suspend fun accountEvents(before: String? = null): AccountEvents = call { inner.accountEvents(before, it) }

    /** As [Client.sessions]. */
    public suspend fun sessions(): List<Session> = call { inner.sessions(it) }

    /** As [Client.endSession]. */
    public suspend fun endSession(id: String, currentPassword: String? = null): Unit =
        call { inner.endSession(id, currentPassword, it) }

    /** As [Client.endOtherSessions]. */
    public suspend fun endOtherSessions(currentPassword: String? = null): Unit =
        call { inner.endOtherSessions(currentPassword, it) }

    /** As [Client.identities]. */
    public suspend fun identities(): List<Identity> = call { inner.identities(it) }

    /** As [Client.beginLink]. Pass the returned link to [Client.completeSignIn]. */
    public suspend fun beginLink(provider: String, currentPassword: String? = null): BrowserSignIn =
        BrowserSignIn(call { inner.beginLink(provider, currentPassword, it) })

    /** As [Client.unlink]. */
    public suspend fun unlink(provider: String, subject: String, currentPassword: String? = null): Unit =
        call { inner.unlink(provider, subject, currentPassword, it) }
}

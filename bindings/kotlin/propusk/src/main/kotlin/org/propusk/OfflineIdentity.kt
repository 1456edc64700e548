// Who is signed in, as far as it is known without a request to the server.
package org.propusk

import java.time.Instant
import org.propusk.ffi.OfflineIdentity as FfiIdentity
import org.propusk.ffi.Trust as FfiTrust

/** The signed-in user, as far as it is known without a request to the server. */
public data class OfflineIdentity(
    public val user: SignedInUser,
    /** The account as it was last fetched, if it was ever fetched. */
    public val profile: Profile?,
    public val trust: Trust,
)

/** Whether an identity can be trusted without a request to the server. */
public sealed interface Trust {
    /** The access token has not expired. */
    public data object Fresh : Trust

    /** The access token has expired; the app's own limit trusts the session until this time, by the server's clock. */
    public data class TrustedUntil(public val until: Instant) : Trust

    /** The last confirmation is too old, or the device's clock was set back. The app must contact the server. */
    public data object MustGoOnline : Trust
}

internal fun FfiIdentity.translate(): OfflineIdentity =
    OfflineIdentity(
        user = user,
        profile = profile,
        trust = when (val trust = trust) {
            FfiTrust.Fresh -> Trust.Fresh
            is FfiTrust.TrustedUntil -> Trust.TrustedUntil(trust.until)
            FfiTrust.MustGoOnline -> Trust.MustGoOnline
        },
    )

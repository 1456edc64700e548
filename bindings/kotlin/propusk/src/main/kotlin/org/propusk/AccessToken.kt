// An access token, which is never printed.
package org.propusk

import java.time.Instant
import org.propusk.ffi.AccessToken as FfiAccessToken

/** An access token that is valid now. Ask for it again before every request instead of keeping it. */
public class AccessToken internal constructor(internal val inner: FfiAccessToken) {
    /** The token itself. */
    public val token: String by lazy(LazyThreadSafetyMode.PUBLICATION, inner::token)

    /** The value of the `Authorization` header. */
    public val header: String by lazy(LazyThreadSafetyMode.PUBLICATION, inner::header)

    /** The user that the token belongs to. */
    public val user: SignedInUser get() = inner.user()

    /** When it expires by the server's clock; `null` if it does not expire or if the time is unknown. */
    public val expiresAt: Instant? get() = inner.expiresAt()

    override fun equals(other: Any?): Boolean = other is AccessToken && other.token == token

    override fun hashCode(): Int = token.hashCode()

    override fun toString(): String = "AccessToken([redacted])"
}

// What apps send about accounts: changes of a profile and the contents of mailed links.
package org.propusk

import org.propusk.ffi.ProfileChange as FfiChange
import org.propusk.ffi.ProfileChanges as FfiChanges
import org.propusk.ffi.parseMailedLink

/** Changes of an account. */
public data class ProfileChanges(
    /** A changed address is not verified. */
    public val email: ProfileChange = ProfileChange.Keep,
    public val phone: ProfileChange = ProfileChange.Keep,
    public val username: ProfileChange = ProfileChange.Keep,
    public val displayName: ProfileChange = ProfileChange.Keep,
) {
    internal fun lower(): FfiChanges =
        FfiChanges(email.lower(), phone.lower(), username.lower(), displayName.lower())
}

/** A change of one member of an account. */
public sealed interface ProfileChange {
    /** It stays as it is. */
    public data object Keep : ProfileChange

    /** It gets this value. */
    public data class Set(public val value: String) : ProfileChange

    /** It is removed. */
    public data object Remove : ProfileChange
}

/** The contents of a mailed link. */
public class MailedLink internal constructor(internal val inner: org.propusk.ffi.MailedLink) {
    /** Contents that the app has taken from a link itself. */
    public constructor(uid: String, token: String) : this(org.propusk.ffi.MailedLink(uid, token))

    public companion object {
        /**
         * Reads a mailed link that was opened in the app: `uid` and `token` from the query, from the last two parts of
         * the path, or from the fragment. `null` if the link contains neither.
         */
        public fun parse(link: String): MailedLink? = parseMailedLink(link)?.let(::MailedLink)
    }
}

private fun ProfileChange.lower(): FfiChange =
    when (this) {
        ProfileChange.Keep -> FfiChange.Keep
        is ProfileChange.Set -> FfiChange.Set(value)
        ProfileChange.Remove -> FfiChange.Remove
    }

// The status that an app shows: whether a user is signed in, which one, and why it changed.
package org.propusk

import org.propusk.ffi.Phase as FfiPhase
import org.propusk.ffi.Status as FfiStatus

/** Whether a user is signed in, as far as is known now, and which one. */
public data class Status(
    public val phase: Phase,
    /** The signed-in user, if there is one and it is known. */
    public val user: SignedInUser?,
    /** What caused this status. */
    public val change: StatusChange,
) {
    /** Whether a user is signed in, with or without a network. */
    public val isSignedIn: Boolean
        get() = when (phase) {
            Phase.SignedIn, Phase.Refreshing, Phase.Offline -> true
            Phase.Unknown, is Phase.SignedOut -> false
        }
}

/** Whether a user is signed in. */
public sealed interface Phase {
    /** Not known yet: the vault has not been read, or cannot be read now. Wait; this is not a sign-out. */
    public data object Unknown : Phase

    /** No user is signed in. */
    public data class SignedOut(public val reason: SignOutReason) : Phase

    /** A user is signed in. */
    public data object SignedIn : Phase

    /** A user is signed in, and the access token is being renewed. */
    public data object Refreshing : Phase

    /** A user is signed in, and the server could not be reached when the access token had to be renewed. */
    public data object Offline : Phase
}

internal fun FfiStatus.translate(): Status =
    Status(
        phase = when (val phase = phase) {
            FfiPhase.Unknown -> Phase.Unknown
            is FfiPhase.SignedOut -> Phase.SignedOut(phase.reason)
            FfiPhase.SignedIn -> Phase.SignedIn
            FfiPhase.Refreshing -> Phase.Refreshing
            FfiPhase.Offline -> Phase.Offline
        },
        user = user,
        change = change,
    )

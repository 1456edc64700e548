// The errors of the SDK: one class for each reaction of an app.
package org.propusk

import kotlin.time.Duration
import kotlin.time.toKotlinDuration
import org.propusk.ffi.PropuskException as FfiException

/** Why an operation failed. Each class needs another reaction. The message is for a log and contains no secrets. */
public sealed class PropuskException(message: String, cause: Throwable) : Exception(message, cause) {
    /** No user is signed in: show the sign-in. */
    public class SignedOut internal constructor(public val reason: SignOutReason, message: String, cause: Throwable) :
        PropuskException(message, cause)

    /** The server refused the request: show [Rejection.sentence] and let the user correct it. */
    public class Rejected internal constructor(public val rejection: Rejection, message: String, cause: Throwable) :
        PropuskException(message, cause)

    /** The server could not be reached: try again when there is a network. The user stays signed in. */
    public class Network internal constructor(message: String, cause: Throwable) : PropuskException(message, cause)

    /** The server is busy or has received too many attempts: try again after this time. */
    public class RetryLater internal constructor(public val after: Duration, message: String, cause: Throwable) :
        PropuskException(message, cause)

    /** Another sign-in has replaced the one that this request belongs to: nothing was sent for it. */
    public class OtherSignIn internal constructor(message: String, cause: Throwable) : PropuskException(message, cause)

    /** The user cancelled. A cancelled coroutine gets its usual `CancellationException` instead. */
    public class Cancelled internal constructor(message: String, cause: Throwable) : PropuskException(message, cause)

    /** The vault cannot be read or written now. The user stays signed in. */
    public class Storage internal constructor(public val state: VaultState, message: String, cause: Throwable) :
        PropuskException(message, cause)

    /** The API does not have this operation. No request was sent. */
    public class Unsupported internal constructor(public val operation: Operation, message: String, cause: Throwable) :
        PropuskException(message, cause)

    /** The server's answer is not part of its API: another version, or the wrong server. */
    public class Protocol internal constructor(message: String, cause: Throwable) : PropuskException(message, cause)

    /** Invalid use by the app: for example a bad address or a missing option. */
    public class Usage internal constructor(message: String, cause: Throwable) : PropuskException(message, cause)
}

/** Runs a call of the generated layer, whose exceptions have no readable messages. */
internal inline fun <T> translated(block: () -> T): T =
    try {
        block()
    } catch (error: FfiException) {
        throw error.translate()
    }

internal fun FfiException.translate(): PropuskException =
    when (this) {
        is FfiException.SignedOut -> PropuskException.SignedOut(reason, detail, this)
        is FfiException.Rejected -> PropuskException.Rejected(rejection, detail, this)
        is FfiException.Network -> PropuskException.Network(detail, this)
        is FfiException.RetryLater -> PropuskException.RetryLater(after.toKotlinDuration(), detail, this)
        is FfiException.OtherSignIn -> PropuskException.OtherSignIn(detail, this)
        is FfiException.Cancelled -> PropuskException.Cancelled(detail, this)
        is FfiException.Storage -> PropuskException.Storage(state, detail, this)
        is FfiException.Unsupported -> PropuskException.Unsupported(operation, detail, this)
        is FfiException.Protocol -> PropuskException.Protocol(detail, this)
        is FfiException.Usage -> PropuskException.Usage(detail, this)
    }

// How a suspending call becomes a call of the SDK, with cancellation.
package org.propusk

import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import kotlinx.coroutines.CancellationException
import org.propusk.ffi.Cancellation
import org.propusk.ffi.PropuskException as FfiException
import org.propusk.ffi.uniffiRustFutureContinuationCallbackImpl

/** The SDK's threads stay attached to the JVM, because attaching one for each result costs more than most calls. */
@Suppress("unused")
private val attached: Unit = Native.setCallbackThreadInitializer(
    uniffiRustFutureContinuationCallbackImpl,
    CallbackThreadInitializer(/* daemon = */ true, /* detach = */ false, "propusk"),
)

/**
 * Runs one call. If the coroutine is cancelled, it continues at once; a request that only this call needs is dropped,
 * and a renewal, sign-out or write to the vault that has begun is completed.
 */
internal suspend fun <T> call(block: suspend (Cancellation) -> T): T {
    val cancellation = Cancellation()
    return try {
        block(cancellation)
    } catch (error: CancellationException) {
        cancellation.cancel()
        throw error
    } catch (error: FfiException) {
        throw error.translate()
    } finally {
        cancellation.close()
    }
}

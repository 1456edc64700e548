// Connects the cancellation of a Swift task with that of a call in the SDK.

import PropuskFFI

/// Runs one call of the SDK. If the task is cancelled, the caller continues at once with
/// `CancellationError`. A request that only this call needs is dropped; a sign-in, renewal, sign-out
/// or write to the vault that has begun is completed.
func cancellable<Value: Sendable>(
    _ call: (Cancellation) async throws -> Value
) async throws -> Value {
    let cancellation = Cancellation()
    do {
        return try await withTaskCancellationHandler {
            try await call(cancellation)
        } onCancel: {
            cancellation.cancel()
        }
    } catch let error as PropuskFFI.PropuskError {
        if case .Cancelled = error, cancellation.isCancelled() { throw CancellationError() }
        throw PropuskError(error)
    }
}

// Endpoints that refuse even a renewed token. Each causes at most one renewal a minute, as in the Rust SDK's own API
// client, so that one misconfigured service does not renew the session with every request.
package org.propusk

import java.net.URI
import kotlin.time.ComparableTimeMark
import kotlin.time.Duration.Companion.minutes
import kotlin.time.TimeSource

private val MEMORY = 1.minutes
private const val MAX_ENDPOINTS = 64

internal class RefusedEndpoints(private val clock: TimeSource.WithComparableMarks = TimeSource.Monotonic) {
    private val refusedUntil = LinkedHashMap<String, ComparableTimeMark>()

    /** Whether a refusal by this endpoint justifies a renewal. */
    @Synchronized
    fun mayRenew(url: URI): Boolean = refusedUntil[endpoint(url)]?.hasPassedNow() ?: true

    /** The endpoint has refused a token that was just renewed. */
    @Synchronized
    fun noteRefusal(url: URI) {
        val endpoint = endpoint(url)
        refusedUntil.remove(endpoint)
        if (refusedUntil.size >= MAX_ENDPOINTS) refusedUntil.remove(refusedUntil.keys.first())
        refusedUntil[endpoint] = clock.markNow() + MEMORY
    }

    private fun endpoint(url: URI): String = "${url.scheme}://${url.rawAuthority}${url.rawPath}"
}

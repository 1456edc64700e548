// Which refusals lead to a renewal.
package org.propusk

import java.net.URI
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TestTimeSource
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

class RefusedEndpointsTest {
    private val clock = TestTimeSource()
    private val refused = RefusedEndpoints(clock)

    @Test
    fun `endpoint that refuses a renewed token causes no renewal for a minute`() {
        val orders = URI("https://api.example.org/orders?page=1")
        assertTrue(refused.mayRenew(orders))
        refused.noteRefusal(orders)
        clock += 59.seconds
        assertFalse(refused.mayRenew(URI("https://api.example.org/orders?page=2")))
        assertTrue(refused.mayRenew(URI("https://api.example.org/teas")))
        clock += 2.seconds
        assertTrue(refused.mayRenew(orders))
    }

    @Test
    fun `oldest of many endpoints is forgotten`() {
        fun endpoint(number: Int) = URI("https://api.example.org/$number")
        for (number in 0..64) refused.noteRefusal(endpoint(number))
        assertTrue(refused.mayRenew(endpoint(0)))
        assertFalse(refused.mayRenew(endpoint(1)))
        assertFalse(refused.mayRenew(endpoint(64)))
    }
}

// The limits of memory and time of calls.
package org.propusk

import java.io.File
import kotlin.time.Duration
import kotlin.time.Duration.Companion.microseconds
import kotlin.time.TimeSource
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.propusk.fixture.World

class FiguresTest {
    @Test
    fun `status takes less than 50 microseconds`() {
        val median = World().use { world ->
            world.signedIn().use { client ->
                // The quietest of several rounds: other programs run on this machine.
                runBlocking { (1..5).minOf { client.statusMedian() } }
            }
        }
        println("status(), median: $median (at most 50 µs)")
        assertTrue(median < 50.microseconds, "$median")
    }

    private suspend fun Client.statusMedian(): Duration {
        val times = List(10_000) {
            val began = TimeSource.Monotonic.markNow()
            status()
            began.elapsedNow()
        }
        return times.sorted()[times.size / 2]
    }

    @Test
    fun `private memory does not grow with calls`() {
        val java = File(System.getProperty("java.home"), "bin/java").path
        // Without the JIT compiler: the memory of its code grows for long.
        val options = listOf("-Xms24m", "-Xmx24m", "-Xmn2m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-Xint")
        val library = "-Djna.library.path=" + System.getProperty("jna.library.path")
        // Set by Surefire: its own class path is a file that names this one.
        val classPath = System.getProperty("surefire.test.class.path")
        val program = ProcessBuilder(listOf(java) + options + listOf(library, "-cp", classPath, "org.propusk.FiguresKt"))
        val running = program.redirectErrorStream(true).start()
        val output = running.inputStream.bufferedReader().readText()
        println(output)
        assertEquals(0, running.waitFor(), output)
    }
}

// Measures by how much private memory grows between call 2 000 and call 12 000. `FiguresTest` runs it with a heap of fixed
// size, so that only native memory and leaks are left.
package org.propusk

import java.io.File
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.propusk.fixture.EMAIL
import org.propusk.fixture.World

private const val MAX_GROWTH_KIB = 2_048

fun main() {
    val growth = World().use { world -> world.signedIn().use { runBlocking { growth(it) } } }
    println("private memory from call 2 000 to 12 000: $growth KiB (at most $MAX_GROWTH_KIB)")
    exitProcess(if (growth < MAX_GROWTH_KIB) 0 else 1)
}

private suspend fun growth(client: Client): Long {
    repeat(2_000) { call(client, it) }
    val before = privateKib()
    repeat(10_000) { call(client, it) }
    return privateKib() - before
}

/** Calls of every kind: with and without a request, failing, cancelled, and with a listener. */
private suspend fun call(client: Client, number: Int) {
    when (number % 20) {
        0 -> check(client.profile().email == EMAIL)
        1 -> check(runCatching { client.endSession("none") }.exceptionOrNull() is PropuskException)
        2 -> coroutineScope { launch(start = CoroutineStart.UNDISPATCHED) { client.profile() }.cancelAndJoin() }
        3 -> check(client.statuses.first().isSignedIn)
        4, 5 -> check(client.vaultState() == VaultState.READY)
        6, 7, 8 -> check(client.cachedProfile()?.email == EMAIL)
        9, 10, 11, 12, 13 -> check(client.accessToken().token.isNotEmpty())
        else -> check(client.status().isSignedIn)
    }
}

/** Without what waits for the collector of garbage. */
private fun privateKib(): Long {
    repeat(3) { System.gc() }
    val lines = File("/proc/self/smaps_rollup").readLines().filter { it.startsWith("Private_") || it.startsWith("Swap:") }
    return lines.sumOf { it.filter(Char::isDigit).toLong() }
}

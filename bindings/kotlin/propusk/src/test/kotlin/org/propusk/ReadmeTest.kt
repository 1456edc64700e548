// The first program of the README, which `test` copies from there.
package org.propusk

import java.io.ByteArrayOutputStream
import java.io.PrintStream
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.propusk.fixture.EMAIL
import org.propusk.fixture.PASSWORD
import org.propusk.fixture.World

class ReadmeTest {
    @Test
    fun `first program works as typed`() {
        World().use { world ->
            world.signedIn()
            assertTrue(outputOf(world.server, EMAIL, PASSWORD).startsWith("signed in as $EMAIL, until 20"))
            assertTrue("wrong" in outputOf(world.server, EMAIL, "another password"))
        }
    }

    private fun outputOf(vararg arguments: String): String {
        val output = ByteArrayOutputStream()
        val before = System.out
        System.setOut(PrintStream(output, true))
        try {
            org.propusk.readme.main(arrayOf(*arguments))
        } finally {
            System.setOut(before)
        }
        return output.toString()
    }
}

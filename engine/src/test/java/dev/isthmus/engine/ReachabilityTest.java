package dev.isthmus.engine;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * A native image of GraalVM needs no metadata for the engine: all that it must be told is in the bindings, the CUDA
 * kernels among it.
 */
class ReachabilityTest {

    private static final Pattern BY_NAME = Pattern.compile("Class\\.forName|ServiceLoader|getResource|\\.getDeclared"
            + "|MethodHandles\\.|Proxy\\.newProxyInstance|implements Serializable");

    @Test
    void theEngineFindsNoClassMemberOrResourceByName() throws IOException {
        try (Stream<Path> sources = Files.walk(Path.of("src/main/java"))) {
            for (Path source : sources.filter(path -> path.toString().endsWith(".java")
                    && !path.endsWith("Fatbin.java")).toList()) {
                assertFalse(BY_NAME.matcher(Files.readString(source)).find(), source.toString());
            }
        }
    }
}

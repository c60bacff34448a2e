package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java of all pages compiles: whole files as they are, statements in a method that has what they talk about. */
class JavaSnippetsTest {

    private static final String BEFORE = """
            import dev.isthmus.engine.api.*;
            import dev.isthmus.engine.config.*;
            import dev.isthmus.engine.errors.*;
            import dev.isthmus.engine.tokenizer.*;
            import java.nio.file.*;
            import java.time.*;
            import java.util.*;
            import java.util.concurrent.*;
            class %s {
                static void run(Model model, Session session, BatchingExecutor executor, GenerationOptions options,
                        Path path, Path file, int[] ids) throws Exception {
            """;
    private static final String AFTER = "}}\n";

    @TempDir
    Path folder;

    @Test
    void javaOfAllPagesCompiles() throws IOException {
        List<Path> sources = new ArrayList<>();
        for (Page page : Page.all()) {
            for (Page.Block block : page.blocks()) {
                if (block.language().equals("java")) {
                    sources.add(source(page.name() + ":" + block.line(), block.text()));
                }
            }
        }
        assertEquals("", errors(sources));
        assertTrue(sources.size() >= 5, "the snippets are where this test looks for them");
    }

    @Test
    void anUnknownMethodOrTypeIsSeen() throws IOException {
        String errors = errors(List.of(source("a.md:1", "session.forget();\n"),
                source("b.md:7", "public class B {\n    Model model;\n}\n")));
        assertTrue(errors.contains("a_md_1") && errors.contains("b_md_7"), errors);
    }

    /** Writes a snippet as a source file in a folder named after its place. */
    private Path source(String place, String snippet) throws IOException {
        String name = place.replaceAll("\\W", "_");
        boolean whole = snippet.contains("class ");
        String type = whole ? snippet.replaceAll("(?s).*?\\bclass (\\w+).*", "$1") : "Snippet_" + name;
        Path source = Files.createDirectories(folder.resolve(name)).resolve(type + ".java");
        return Files.writeString(source, whole ? snippet : BEFORE.formatted(type) + snippet + AFTER);
    }

    private String errors(List<Path> sources) {
        String classPath = Stream.of("java.class.path", "jdk.module.path").map(System::getProperty)
                .filter(path -> path != null && !path.isEmpty()).collect(Collectors.joining(File.pathSeparator));
        List<String> arguments = new ArrayList<>(Arrays.asList("-proc:none", "-d", folder.resolve("out").toString(),
                "-cp", classPath));
        sources.forEach(source -> arguments.add(source.toString()));
        StringWriter errors = new StringWriter();
        PrintWriter writer = new PrintWriter(errors);
        ToolProvider.findFirst("javac").orElseThrow().run(writer, writer, arguments.toArray(String[]::new));
        return errors.toString();
    }
}

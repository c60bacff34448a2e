package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The page docs/architecture.md, its picture, and the paragraph that every package has. */
class ArchitecturePageTest {

    private static final List<String> MODULES = List.of("bindings", "engine", "weights-tools", "bench");
    private static final Pattern TYPE = Pattern.compile("[A-Z]\\w*[a-z]\\w*");
    private static final Pattern TITLE = Pattern.compile("font-weight=\"600\"[^>]*>([^<]+)<");

    private static List<Path> sources() throws IOException {
        Stream<Path> sources = Stream.of();
        for (String module : MODULES) {
            try (Stream<Path> files = Files.walk(Page.ROOT.resolve(module).resolve("src"))) {
                List<Path> found = files.filter(file -> file.toString().endsWith(".java")).toList();
                sources = Stream.concat(sources, found.stream());
            }
        }
        return sources.toList();
    }

    private static Set<String> types() throws IOException {
        return sources().stream().map(file -> file.getFileName().toString().replace(".java", ""))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void typesNamedOnThePageExist() throws IOException {
        Set<String> named = Page.named("docs/architecture.md").inlineCode().stream()
                .filter(code -> TYPE.matcher(code).matches()).collect(Collectors.toCollection(TreeSet::new));
        assertTrue(named.size() > 10, named::toString);
        named.removeAll(types());
        assertEquals(Set.of(), named);
    }

    @Test
    void typesNamedInThePictureExist() throws IOException {
        Set<String> named = TITLE.matcher(Files.readString(Page.ROOT.resolve("docs/ways.svg"))).results()
                .flatMap(title -> Stream.of(title.group(1).split(",? or |, .*")))
                .filter(word -> TYPE.matcher(word).matches()).collect(Collectors.toCollection(TreeSet::new));
        assertTrue(named.size() > 10, named::toString);
        named.removeAll(types());
        assertEquals(Set.of(), named);
    }

    @Test
    void everyPackageSaysWhatMayBeThere() throws IOException {
        Set<Path> without = sources().stream().filter(file -> file.toString().contains("/src/main/java/dev/"))
                .map(Path::getParent).collect(Collectors.toCollection(TreeSet::new));
        assertTrue(without.size() > 20, without::toString);
        without.removeIf(folder -> Files.exists(folder.resolve("package-info.java")));
        assertEquals(Set.of(), without);
    }
}

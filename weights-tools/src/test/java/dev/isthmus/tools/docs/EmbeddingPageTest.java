package dev.isthmus.tools.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.api.Metrics;
import dev.isthmus.engine.errors.EngineException;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The tables of docs/embedding.md have the metrics, events and errors that the engine has, and no others. */
class EmbeddingPageTest {

    private static final Pattern EVENT = Pattern.compile("@Name\\(\"(isthmus\\.\\w+)\"\\)");
    private static final Pattern FIELD = Pattern.compile("^    (?:int|long|boolean|double|String) (\\w+);",
            Pattern.MULTILINE);

    @Test
    void metricsAreThoseOfTheRecord() throws IOException {
        Set<String> declared = Arrays.stream(Metrics.class.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers())).map(Method::getName)
                .filter(name -> !Set.of("equals", "hashCode", "toString").contains(name))
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(declared, firstColumn("Observability").stream().filter(code -> !code.contains("."))
                .filter(code -> !code.equals("Metrics")).map(code -> code.replace("()", ""))
                .collect(Collectors.toCollection(TreeSet::new)));
    }

    @Test
    void eventsAndTheirFieldsAreThoseRecorded() throws IOException {
        Map<String, Set<String>> declared = new TreeMap<>();
        try (Stream<Path> sources = Files.walk(Page.ROOT.resolve("engine/src/main/java"))) {
            for (Path source : sources.filter(path -> path.toString().endsWith(".java")).toList()) {
                String text = Files.readString(source);
                EVENT.matcher(text).results().forEach(event -> declared.put(event.group(1), FIELD.matcher(text)
                        .results().map((MatchResult field) -> field.group(1))
                        .collect(Collectors.toCollection(TreeSet::new))));
            }
        }
        Map<String, Set<String>> documented = new TreeMap<>();
        for (List<String> row : Page.tableRows(Page.named("docs/embedding.md").section("Observability"))) {
            if (row.getFirst().startsWith("`isthmus.")) {
                documented.put(Page.code(row.getFirst()).getFirst(), new TreeSet<>(Page.code(row.get(1))));
            }
        }
        assertEquals(declared, documented);
    }

    @Test
    void errorsAreTheSealedTypes() throws IOException {
        Set<String> declared = Arrays.stream(EngineException.class.getPermittedSubclasses()).map(Class::getSimpleName)
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(declared, firstColumn("Errors"));
    }

    private static Set<String> firstColumn(String section) throws IOException {
        return Page.tableRows(Page.named("docs/embedding.md").section(section)).stream()
                .flatMap(row -> Page.code(row.getFirst()).stream()).collect(Collectors.toCollection(TreeSet::new));
    }
}

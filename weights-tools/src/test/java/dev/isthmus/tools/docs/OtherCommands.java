package dev.isthmus.tools.docs;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * What commands other than isthmus name: Maven's modules, profiles, tests and properties, scripts with their options,
 * benchmarks with their parameters, examples. No test runs them here, since they run all tests, build what is built
 * later, take minutes or fetch gigabytes.
 */
final class OtherCommands {

    private static final Set<String> GOALS = Set.of("clean", "test", "package", "verify", "install");
    private static final Set<String> SWITCHES = Set.of("-am", "-q", "-B", "-o");
    private static final Set<String> MAVEN_PROPERTIES = Set.of("skipTests", "surefire.failIfNoSpecifiedTests");
    private static final String BENCHMARKS = "bench/src/main/java/dev/isthmus/bench";
    private static final String EXAMPLES = "weights-tools/target/isthmus/lib/*:examples/basics/target/classes";
    private static final String BENCHMARK_JAR = "bench/target/isthmus-bench-*.jar";
    private static final Set<String> WITH_PROPERTIES = Set.of(".java", ".xml");

    private final ShellLine command;
    private final List<String> faults = new ArrayList<>();

    private OtherCommands(ShellLine command) {
        this.command = command;
    }

    /** What is wrong with a command; nothing if all that it names is there. */
    static List<String> faults(ShellLine command) throws IOException {
        OtherCommands check = new OtherCommands(command);
        switch (command.program()) {
            case "mvn", "./mvnw" -> check.maven();
            case "java" -> check.java();
            case "sh" -> check.script(command.arguments());
            default -> check.script(command.words());
        }
        return check.faults;
    }

    private void require(boolean there, String what) {
        if (!there) {
            faults.add(command + ": there is no " + what);
        }
    }

    private void maven() throws IOException {
        List<String> arguments = command.arguments();
        String module = ".";
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            if (argument.equals("-pl")) {
                module = arguments.get(++i);
                for (String each : module.split(",")) {
                    require(Files.exists(Page.ROOT.resolve(each).resolve("pom.xml")), "module " + each);
                }
            } else if (argument.startsWith("-P")) {
                require(contains(Page.ROOT, "<id>" + argument.substring(2) + "</id>", Set.of("pom.xml")),
                        "profile " + argument.substring(2));
            } else if (argument.startsWith("-Dtest=")) {
                test(Page.ROOT.resolve(module), argument.substring("-Dtest=".length()));
            } else if (argument.startsWith("-D")) {
                property(argument.substring(2).split("=")[0]);
            } else {
                require(GOALS.contains(argument) || SWITCHES.contains(argument), "goal or switch " + argument);
            }
        }
    }

    private void property(String name) throws IOException {
        require(MAVEN_PROPERTIES.contains(name) || name.startsWith("isthmus.")
                && (contains(Page.ROOT, "\"" + name + "\"", WITH_PROPERTIES)
                        || contains(Page.ROOT, "<" + name + ">", WITH_PROPERTIES)), "property " + name);
    }

    private void test(Path module, String test) throws IOException {
        String[] parts = test.split("#", 2);
        Optional<Path> source = find(module, parts[0] + ".java");
        require(source.isPresent(), "test class " + parts[0] + " in " + module.getFileName());
        if (source.isPresent() && parts.length > 1) {
            require(Files.readString(source.get()).contains(" " + parts[1] + "("), "test " + test);
        }
    }

    private void script(List<String> words) throws IOException {
        Path script = Page.ROOT.resolve(words.getFirst());
        require(Files.isRegularFile(script), "script " + words.getFirst());
        if (Files.isRegularFile(script)) {
            String text = Files.readString(script);
            for (String word : words.subList(1, words.size())) {
                require(!word.startsWith("--") || word.equals("--help") || text.contains(word), "option " + word);
            }
        }
    }

    private void java() throws IOException {
        List<String> arguments = new ArrayList<>(command.arguments());
        arguments.removeIf(argument -> argument.startsWith("--enable-native-access"));
        String classPath = arguments.size() > 1 ? arguments.get(1) : "";
        List<String> rest = arguments.subList(Math.min(2, arguments.size()), arguments.size());
        if (classPath.equals(EXAMPLES)) {
            program("examples/basics/src/main/java", rest.getFirst());
        } else if (arguments.getFirst().equals("-cp")) {
            require(classPath.equals(BENCHMARK_JAR), classPath);
            program("bench/src/main/java", rest.getFirst());
        } else {
            require(classPath.equals(BENCHMARK_JAR), classPath);
            benchmark(rest);
        }
    }

    private void program(String sources, String type) {
        require(Files.exists(Page.ROOT.resolve(sources).resolve(type.replace('.', '/') + ".java")), "program " + type);
    }

    private void benchmark(List<String> arguments) throws IOException {
        String source = "";
        for (int i = 0; i < arguments.size(); i++) {
            String argument = arguments.get(i);
            if (argument.equals("-p")) {
                String name = arguments.get(++i).split("=")[0];
                require(Pattern.compile("@Param[^;]*\\b" + name + "( =|;)").matcher(source).find(),
                        "parameter " + name);
            } else if (!argument.equals("-l")) {
                Path file = Page.ROOT.resolve(BENCHMARKS).resolve(argument + ".java");
                require(Files.exists(file), "benchmark " + argument);
                source = Files.exists(file) ? Files.readString(file) : "";
            }
        }
    }

    private static Optional<Path> find(Path root, String name) throws IOException {
        List<Path> found = new ArrayList<>();
        walk(root, file -> {
            if (file.getFileName().toString().equals(name)) {
                found.add(file);
            }
        });
        return found.stream().findFirst();
    }

    private static boolean contains(Path root, String text, Set<String> endings) throws IOException {
        List<Path> found = new ArrayList<>();
        walk(root, file -> {
            if (endings.stream().anyMatch(file.toString()::endsWith) && Files.readString(file).contains(text)) {
                found.add(file);
            }
        });
        return !found.isEmpty();
    }

    private interface Visitor {
        void visit(Path file) throws IOException;
    }

    private static void walk(Path root, Visitor visitor) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
                return Page.isOurs(folder) ? FileVisitResult.CONTINUE : FileVisitResult.SKIP_SUBTREE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                visitor.visit(file);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}

package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The launcher with a real JDK, in locales, below paths and with options of the user's that stand in its way. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the launcher is a POSIX shell script")
class LauncherRunTest {

    /** Options for the JVM with which no cache of classes is prepared, which takes seconds. */
    private static final Map<String, String> WITHOUT_CACHE = Map.of("ISTHMUS_JAVA_OPTS", "-Xshare:auto");

    @TempDir
    static Path folder;

    private static String model;

    /** A project that is built: its one jar refers to the class path of this test. */
    @BeforeAll
    static void makeProject() throws IOException {
        model = TinyModel.write(folder.resolve("model")).toString();
        Path project = folder.resolve("project");
        for (String module : new String[] {"native-src", "bindings", "engine", "weights-tools/target/isthmus/lib"}) {
            Files.createDirectories(project.resolve(module));
        }
        Files.writeString(project.resolve("pom.xml"), "<project/>");
        Files.copy(Path.of("..", "isthmus"), project.resolve("isthmus"));
        assertTrue(project.resolve("isthmus").toFile().setExecutable(true));
        Path target = project.resolve("weights-tools/target/isthmus");
        writeJar(target.resolve("lib/all.jar"));
        Files.writeString(target.resolve("built"), "");
    }

    private static void writeJar(Path jar) throws IOException {
        String classPath = Stream.of("java.class.path", "jdk.module.path").map(System::getProperty)
                .filter(path -> path != null && !path.isEmpty())
                .flatMap(path -> Stream.of(path.split(File.pathSeparator)))
                .map(entry -> Path.of(entry).toUri().toString()).collect(Collectors.joining(" "));
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, classPath);
        new JarOutputStream(Files.newOutputStream(jar), manifest).close();
    }

    /** Runs the launcher below a folder of that name, which the script makes. */
    private static ShellRun run(String name, Map<String, String> environment, String words) throws Exception {
        Map<String, String> all = new HashMap<>(Map.of("ISTHMUS_JAVA_HOME", System.getProperty("java.home")));
        all.putAll(environment);
        return ShellRun.of(folder, all, "mkdir -p '" + name + "'; [ -d '" + name + "/project' ] || cp -Rp project '"
                + name + "/'\nexec '" + name + "/project/isthmus' " + words);
    }

    @ParameterizedTest
    @ValueSource(strings = {"LANG=", "LC_ALL=POSIX", "LANG=xx_YY.UTF-8", "LC_CTYPE=UTF-8", "LC_ALL=xx_YY.ISO-8859-1",
            "LANG=xx_YY.UTF-8 LC_CTYPE=C.UTF-8"})
    void textsAndPathsSurviveAnyLocale(String locale) throws Exception {
        Map<String, String> environment = ArgumentsTest.withLocale(locale);
        environment.putAll(WITHOUT_CACHE);
        ShellRun run = run("plain", environment,
                "tokenize --model \"$(ln -sfn '" + model + "' 'modèle' && echo 'modèle')\" 'café 𝄞'");
        assertEquals(0, run.code(), run.err());
        assertEquals(CommandRun.of("tokenize", "--model", model, "café 𝄞").out(), run.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a b", "käfer", "a:b", "kä:f er"})
    @EnabledOnOs(value = OS.LINUX, disabledReason = "paths with colons need /proc")
    void launcherRunsBelowAnyPath(String name) throws Exception {
        Map<String, String> environment = ArgumentsTest.withLocale("LANG=C");
        environment.putAll(WITHOUT_CACHE);
        ShellRun run = run(name, environment, "tokenize --model '" + model + "' a");
        assertEquals(0, run.code(), run.err());
        assertEquals(CommandRun.of("tokenize", "--model", model, "a").out(), run.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"ISTHMUS_JAVA_OPTS=-XX:+UseG1GC -Xshare:auto", "JDK_JAVA_OPTIONS=-Xshare:off",
            "JAVA_TOOL_OPTIONS=-XX:+UseParallelGC -XX:AOTMode=off", "ISTHMUS_JAVA_OPTS=-XX:-UseSerialGC -Xshare:auto"})
    void usersOptionsWin(String variable) throws Exception {
        String[] pair = variable.split("=", 2);
        ShellRun run = run("plain", Map.of(pair[0], pair[1]), "tokenize --model '" + model + "' a");
        assertEquals(0, run.code(), run.err());
        assertEquals(CommandRun.of("tokenize", "--model", model, "a").out(), run.out());
    }

    @Test
    void whatTheJvmSaysIsNoResult() throws Exception {
        ShellRun run = run("plain", Map.of("ISTHMUS_JAVA_OPTS", "-XX:+UseG1GC -XX:+UseZGC -Xshare:auto"),
                "tokenize --model '" + model + "' a");
        assertEquals(1, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().contains("Multiple garbage collectors"), run.err());
    }

    @Test
    void closedStandardInputIsNamed() throws Exception {
        ShellRun run = run("plain", WITHOUT_CACHE, "tokenize --model '" + model + "' - <&-");
        assertEquals(1, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().contains("standard input, which cannot be read: "), run.err());
    }
}

package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The launcher's choice of a JDK, on a copy of it that has nothing to build. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "the launcher is a POSIX shell script")
class LauncherTest {

    @TempDir
    private Path folder;

    /** A directory that looks like a JDK of a version; its java writes what it was called with, and caches if asked to. */
    private Path jdk(String name, String version) throws IOException {
        Path bin = Files.createDirectories(folder.resolve(name).resolve("bin"));
        Files.writeString(folder.resolve(name).resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
        for (String tool : new String[] {"java", "javac"}) {
            Path file = Files.writeString(bin.resolve(tool), "#!/bin/sh\nfor each; do\ncase $each in\n"
                    + "-XX:AOTCacheOutput=*) : >\"${each#*=}\" ;;\nesac\ndone\necho " + name + " \"$@\"\n");
            assertTrue(file.toFile().setExecutable(true));
        }
        return folder.resolve(name);
    }

    /** A project that is built: the stamp is newer than everything else. */
    private Path launcher() throws IOException {
        Path project = Files.createDirectories(folder.resolve("a project"));
        for (String module : new String[] {"native-src", "bindings", "engine", "weights-tools"}) {
            Files.createDirectories(project.resolve(module));
        }
        Files.writeString(project.resolve("pom.xml"), "<project/>");
        Path lib = Files.createDirectories(project.resolve("weights-tools/target/isthmus/lib"));
        Files.writeString(lib.resolve("a.jar"), "");
        Path launcher = project.resolve("isthmus");
        Files.copy(Path.of("..", "isthmus"), launcher);
        assertTrue(launcher.toFile().setExecutable(true));
        Files.writeString(project.resolve("weights-tools/target/isthmus/built"), "");
        return launcher;
    }

    private record Run(int code, String out, String err) {}

    private Run run(Path launcher, String isthmusJavaHome, String javaHome, String... args) throws Exception {
        return run(launcher, Map.of("ISTHMUS_JAVA_HOME", isthmusJavaHome, "JAVA_HOME", javaHome), args);
    }

    private Run run(Path launcher, Map<String, String> environment, String... args) throws Exception {
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(launcher.toString()).redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.command().addAll(List.of(args));
        builder.environment().putAll(environment);
        Process process = builder.start();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        return new Run(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    @Test
    void theNamedJdkComesFirst() throws Exception {
        Run run = run(launcher(), jdk("named", "25.0.1").toString(), jdk("home", "26").toString(), "info", "a  b");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().startsWith("named "), run.out());
        assertTrue(run.out().endsWith(" dev.isthmus.tools.Main info a  b\n"), run.out());
    }

    @Test
    void javaHomeComesNextIfItIsNewEnough() throws Exception {
        Run run = run(launcher(), "", jdk("home", "25").toString(), "info");
        assertTrue(run.out().startsWith("home "), run.out());
    }

    @Test
    void aNamedJdkThatIsTooOldIsAnErrorAndNotPassedOver() throws Exception {
        Run run = run(launcher(), jdk("old", "17.0.9").toString(), jdk("home", "25").toString(), "info");
        assertEquals(1, run.code());
        assertEquals("", run.out());
        assertTrue(run.err().contains("no JDK 25 or newer (Java 17)"), run.err());
    }

    @Test
    void aLinkToItRunsTheProjectItLiesIn() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), launcher());
        Run run = run(link, jdk("named", "25").toString(), "", "info");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.out().contains("/a project/weights-tools/target/isthmus/lib/a.jar "), run.out());
    }

    @ParameterizedTest
    @CsvSource({"-XX:+UseZGC, -XX:+UseSerialGC -Xmn3m", "-XX:-UseSerialGC, -XX:+UseSerialGC -Xmn3m",
            "'\"-XX:+UseG1GC\"', -XX:+UseSerialGC -Xmn3m", "-Xmn8m, -Xmn3m", "-XX:MaxNewSize=2m, -Xmn3m",
            "-Xmx4m, -Xmn3m -XX:AOTCache=", "-Xshare:off, -XX:AOTCache=", "-XX:AOTCache=mine, start-",
            "-XX:SharedArchiveFile=mine, -XX:AOTCache=", "-Xlog:gc, -Xlog:disable",
            "@file, -XX:+UseSerialGC -Xmn3m -XX:AOTCache= -Xlog:disable"})
    void ownOptionsGiveWayToTheUsers(String option, String given) throws Exception {
        Path launcher = launcher();
        Map<String, String> jdk = Map.of("ISTHMUS_JAVA_HOME", jdk("named", "25").toString());
        String usual = run(launcher, jdk, "info").out();
        for (String variable : List.of("ISTHMUS_JAVA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")) {
            Map<String, String> environment = new HashMap<>(jdk);
            environment.put(variable, "-Da=b " + option);
            String out = run(launcher, environment, "info").out();
            for (String own : given.split(" ")) {
                assertTrue(usual.contains(own), usual);
                assertFalse(out.contains(own), variable + ": " + out);
            }
        }
    }

    @Test
    void otherOptionsOfTheUsersChangeNoneOfOurs() throws Exception {
        Path launcher = launcher();
        Map<String, String> jdk = Map.of("ISTHMUS_JAVA_HOME", jdk("named", "25").toString());
        String usual = run(launcher, jdk, "info").out();
        Map<String, String> environment = new HashMap<>(jdk);
        environment.put("ISTHMUS_JAVA_OPTS", "-Xmx4g -XX:MaxGCPauseMillis=5 -Dx=GC");
        assertEquals(usual.replace(" -cp ", " -Xmx4g -XX:MaxGCPauseMillis=5 -Dx=GC -cp "),
                run(launcher, environment, "info").out());
    }

    @Test
    void aChangedSourceIsBuiltAgainAndAFailedBuildSaysWhere() throws Exception {
        Path launcher = launcher();
        Path source = Files.createDirectories(launcher.resolveSibling("engine/src/main/java")).resolve("A.java");
        Files.writeString(source, "");
        assertTrue(source.toFile().setLastModified(System.currentTimeMillis() + 10_000));
        Path maven = Files.createDirectories(folder.resolve("maven"));
        Path mvn = Files.writeString(maven.resolve("mvn"), "#!/bin/sh\necho '[ERROR] A.java is empty'\nexit 1\n");
        assertTrue(mvn.toFile().setExecutable(true));
        Path out = folder.resolve("out");
        Path err = folder.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(launcher.toString(), "info").redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().put("ISTHMUS_JAVA_HOME", jdk("named", "25").toString());
        builder.environment().merge("PATH", maven + ":", (path, first) -> first + path);
        Process process = builder.start();
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(1, process.exitValue());
        assertEquals("", Files.readString(out));
        assertTrue(Files.readString(err).contains("[ERROR] A.java is empty"), Files.readString(err));
        assertTrue(Files.readString(err).contains("build.log"), Files.readString(err));
        assertTrue(Files.notExists(launcher.resolveSibling("weights-tools/target/isthmus/lock")));
    }
}

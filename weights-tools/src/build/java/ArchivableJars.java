import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Brings classes compiled for Java 5, as picocli's are, to this Java's version, with the stack maps that it asks for.
 * HotSpot keeps no classes so old in an AOT cache: loading and verifying picocli's was a fifth of a short command's
 * time.
 *
 * <p>{@code java ArchivableJars.java DIRECTORY} rewrites the jars in a directory that have such classes.
 */
final class ArchivableJars {

    private static final ClassTransform TO_THIS_VERSION = (builder, element) -> {
        if (element instanceof ClassFileVersion) {
            builder.withVersion(ClassFile.latestMajorVersion(), 0);
        } else {
            builder.with(element);
        }
    };

    /** Without a change to their bodies, methods are copied as they are, without stack maps. */
    private static final ClassTransform UPDATE = TO_THIS_VERSION.andThen(
            ClassTransform.transformingMethodBodies((builder, element) -> builder.with(element)));

    private ArchivableJars() {}

    public static void main(String[] args) throws IOException {
        List<Path> jars;
        try (Stream<Path> files = Files.list(Path.of(args[0]))) {
            jars = files.filter(file -> file.toString().endsWith(".jar")).toList();
        }
        for (Path jar : jars) {
            if (hasOldClasses(jar)) {
                update(jar);
            }
        }
    }

    private static boolean hasOldClasses(Path jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            for (ZipEntry entry : Collections.list(zip.entries())) {
                if (isClass(entry) && isOld(zip.getInputStream(entry).readAllBytes())) {
                    return true;
                }
            }
            return false;
        }
    }

    private static boolean isClass(ZipEntry entry) {
        return entry.getName().endsWith(".class");
    }

    private static boolean isOld(byte[] content) {
        return ClassFile.of().parse(content).majorVersion() < ClassFile.JAVA_6_VERSION;
    }

    private static void update(Path jar) throws IOException {
        Path updated = jar.resolveSibling(jar.getFileName() + ".part");
        try (ZipFile in = new ZipFile(jar.toFile());
                URLClassLoader loader = new URLClassLoader(new URL[] {jar.toUri().toURL()});
                ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(updated))) {
            ClassFile classes = ClassFile.of(ClassFile.StackMapsOption.GENERATE_STACK_MAPS,
                    ClassFile.ClassHierarchyResolverOption.of(ClassHierarchyResolver.ofResourceParsing(loader)
                            .orElse(ClassHierarchyResolver.defaultResolver())));
            for (ZipEntry entry : Collections.list(in.entries())) {
                byte[] content = in.getInputStream(entry).readAllBytes();
                out.putNextEntry(new ZipEntry(entry.getName()));
                out.write(isClass(entry) && isOld(content)
                        ? classes.transformClass(classes.parse(content), UPDATE) : content);
                out.closeEntry();
            }
        }
        Files.move(updated, jar, StandardCopyOption.REPLACE_EXISTING);
    }
}

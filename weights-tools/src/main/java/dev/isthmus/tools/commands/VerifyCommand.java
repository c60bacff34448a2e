package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.tools.hub.HubName;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelLoader;
import dev.isthmus.tools.parity.OfficialModel;
import dev.isthmus.tools.verify.Identity;
import dev.isthmus.tools.verify.TensorStatistics;
import dev.isthmus.tools.verify.Verification;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Says whether a model is whole and which one it is. */
@Command(name = "verify", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Reads a whole model and says whether it is sound: the files' structure, every tensor that"
                + " config.json asks for with its shape, NaN and infinity; and whether it is one of the published GPT-2"
                + " models, bit by bit.",
        footerHeading = "%n",
        footer = {"Exits with 1 if it is not sound, or if it was asked for by the name of a published model and is"
                + " another.",
            "With --json: path, sound, faults, expected_tensors (how many are in use), unused, numbers, nan, infinite,"
                + " non_finite_tensors, sha256 and identity (null, or repository, revision, match: file, tensors or"
                + " none, differing_tensors, files)."})
final class VerifyCommand implements Callable<Integer> {

    /** More tensors than this are counted and not named. */
    private static final int NAMED = 8;

    private final Console console;

    @Parameters(paramLabel = "PATH|NAME",
            description = "A model directory, a safetensors or GGUF file, or a name in the local Hugging Face cache.")
    private String path;

    @Mixin
    private OutputFlags output;

    VerifyCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Path found = ModelLoader.locateFile(console, path);
        Verification verification;
        try (Progress progress = Progress.ofBytes(console, "verifying")) {
            verification = Verification.of(found, progress::update);
        }
        boolean isPath = found.toString().equals(path);
        Optional<OfficialModel> claimed = isPath ? Optional.empty()
                : HubName.parse(path).filter(name -> name.revision().isEmpty())
                        .flatMap(name -> OfficialModel.named(name.repository()));
        boolean isImpostor = claimed.filter(model -> !verification.isPublished(model.title())).isPresent();
        if (output.json) {
            Json.object(console.out(), json -> write(json, verification));
        } else {
            print(verification);
        }
        if (isImpostor) {
            console.say("error: asked for as " + path + ", but these are not the published weights of "
                    + claimed.get().repository() + "; isthmus fetch " + claimed.get().title() + " gets them");
        }
        return verification.isSound() && !isImpostor ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void print(Verification found) {
        PrintWriter out = console.out();
        out.println(found.path());
        if (found.faults().isEmpty()) {
            line("structure", "sound: %,d tensors, %,d bytes, %s", found.tensors().size(),
                    found.tensors().stream().mapToLong(TensorInfo::bytes).sum(), files(found));
        }
        found.faults().forEach(fault -> line("fault", "%s", fault));
        found.tokenizerFault().ifPresent(fault -> line("tokenizer", "takes no text, token ids only: %s", fault));
        if (found.sha256().isEmpty()) {
            return;
        }
        if (found.config().isEmpty() && found.faults().isEmpty()) {
            line("config", "not looked at: this is a file alone, name its directory");
        } else if (found.faults().isEmpty()) {
            line("config", "all %d tensors that the configuration asks for are there with their shapes",
                    found.tensors().size() - found.unused().size());
        }
        if (!found.unused().isEmpty()) {
            line("unused", "%d tensors that GPT-2 does not need: %s", found.unused().size(),
                    names(found.unused().stream().map(tensor -> tensor.name() + " " + tensor.shape()).toList()));
        }
        long numbers = found.statistics().values().stream().mapToLong(TensorStatistics::elements).sum();
        line("values", "%,d NaN and %,d infinite among %,d numbers%s", found.nan(), found.infinite(), numbers,
                nonFinite(found).isEmpty() ? "" : ", in " + names(nonFinite(found)));
        found.sha256().forEach((file, hash) -> line("SHA-256", "%s  %s", hash, file));
        line("identity", "%s", found.identity().map(VerifyCommand::describe)
                .orElse(GgufHeader.isGguf(found.path())
                        ? "not compared: hashes are published of safetensors files, not of GGUF files"
                        : "not one of the published GPT-2 models, nor of the shape of one"));
        found.identity().ifPresent(identity -> identity.files().forEach((file, same) -> line("",
                same ? "%s is the published one" : "%s is NOT the published one", file)));
    }

    private void line(String title, String format, Object... arguments) {
        console.out().printf("%-10s %s%n", title, String.format(Locale.ROOT, format, arguments));
    }

    private static String files(Verification found) {
        return found.sha256().size() == 1 ? "1 file" : found.sha256().size() + " files";
    }

    private static String describe(Identity identity) {
        OfficialModel model = identity.model();
        String name = model.repository() + " at revision " + model.revision();
        return switch (identity.match()) {
            case FILE -> "this is " + name + ", bit by bit";
            case TENSORS -> "the weights are those of " + name + ", bit by bit; the file has been saved anew";
            case NONE -> model.tensors().isEmpty()
                    ? "not " + name + ", of which the file's hash is published and not the tensors'"
                    : "not " + name + ": " + identity.differing().size() + " of " + model.tensors().size()
                            + " tensors differ: " + names(identity.differing());
        };
    }

    private static String names(List<String> names) {
        return names.stream().limit(NAMED).collect(Collectors.joining(", "))
                + (names.size() > NAMED ? " and " + (names.size() - NAMED) + " more" : "");
    }

    private static List<String> nonFinite(Verification found) {
        return found.statistics().entrySet().stream()
                .filter(tensor -> tensor.getValue().nan() + tensor.getValue().infinite() > 0)
                .map(Map.Entry::getKey).toList();
    }

    private static void write(JsonGenerator json, Verification found) throws IOException {
        json.writeStringField("path", found.path().toString());
        json.writeBooleanField("sound", found.isSound());
        Json.texts(json, "faults", found.faults());
        json.writeNumberField("expected_tensors", found.tensors().size() - found.unused().size());
        Json.texts(json, "unused", found.unused().stream().map(TensorInfo::name).toList());
        json.writeNumberField("numbers",
                found.statistics().values().stream().mapToLong(TensorStatistics::elements).sum());
        json.writeNumberField("nan", found.nan());
        json.writeNumberField("infinite", found.infinite());
        Json.texts(json, "non_finite_tensors", nonFinite(found));
        json.writeObjectFieldStart("sha256");
        for (Map.Entry<String, String> file : found.sha256().entrySet()) {
            json.writeStringField(file.getKey(), file.getValue());
        }
        json.writeEndObject();
        json.writeStringField("tokenizer_fault", found.tokenizerFault().orElse(null));
        if (found.identity().isEmpty()) {
            json.writeNullField("identity");
        } else {
            json.writeObjectFieldStart("identity");
            write(json, found.identity().get());
            json.writeEndObject();
        }
    }

    private static void write(JsonGenerator json, Identity identity) throws IOException {
        json.writeStringField("repository", identity.model().repository());
        json.writeStringField("revision", identity.model().revision());
        json.writeStringField("match", identity.match().name().toLowerCase(Locale.ROOT));
        Json.texts(json, "differing_tensors", identity.differing());
        json.writeObjectFieldStart("files");
        for (Map.Entry<String, Boolean> file : identity.files().entrySet()) {
            json.writeBooleanField(file.getKey(), file.getValue());
        }
        json.writeEndObject();
    }
}

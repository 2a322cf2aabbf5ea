/* An external delegate that computes ADD and FULLY_CONNECTED in float32, and fails as it is told.
 *
 * mode     good, fail, crash, exit, hang, wrong, nan, idle (claims nothing)
 * stage    where fail, crash, exit and hang happen: create, prepare or invoke
 * after    how many calls are good before a failure in invoke
 * trigger  a file without which mode is good
 * device   a file without which create and invoke fail, as when it is unplugged
 * lock     a file that one process may hold
 * delay_us what every call takes longer
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tfl_abi.h"

static struct {
  char mode[16], stage[16], trigger[512], device[512], lock[512];
  long after, delay_us, calls;
} how;

typedef struct {
  int code, activation, inputs[3], output;
  float *own; /* the output where no one outside of the partition reads it */
} op;

typedef struct {
  int count;
  op *ops;
} partition;

static int is(const char *mode) {
  return !strcmp(how.mode, mode) && (!*how.trigger || !access(how.trigger, F_OK));
}

/* Fails in this stage when told so; the answer is whether it failed. */
static int fails(const char *stage) {
  if (strcmp(how.stage, stage)) return 0;
  if (is("crash")) {
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
  }
  if (is("exit")) _exit(7);
  if (is("hang"))
    for (;;) pause();
  return is("fail");
}

static float *values(tfl_ctx *ctx, partition *all, int tensor) {
  for (int i = 0; i < all->count; i++)
    if (all->ops[i].output == tensor && all->ops[i].own) return all->ops[i].own;
  return ctx->tensors[tensor].data.f;
}

static float activate(float x, int activation) {
  if (activation != TFL_ACT_NONE && x < (activation == TFL_ACT_RELU_N1_1 ? -1 : 0))
    return activation == TFL_ACT_RELU_N1_1 ? -1 : 0;
  if (activation == TFL_ACT_RELU_N1_1 && x > 1) return 1;
  return activation == TFL_ACT_RELU6 && x > 6 ? 6 : x;
}

static long elements(tfl_ctx *ctx, int tensor) {
  return (long)(ctx->tensors[tensor].bytes / sizeof(float));
}

static void add(tfl_ctx *ctx, partition *all, op *o) {
  float *a = values(ctx, all, o->inputs[0]), *b = values(ctx, all, o->inputs[1]);
  float *y = values(ctx, all, o->output);
  long n = elements(ctx, o->output);
  long na = elements(ctx, o->inputs[0]), nb = elements(ctx, o->inputs[1]);
  for (long i = 0; i < n; i++) y[i] = activate(a[i % na] + b[i % nb], o->activation);
}

static void fully_connected(tfl_ctx *ctx, partition *all, op *o) {
  float *x = values(ctx, all, o->inputs[0]), *w = values(ctx, all, o->inputs[1]);
  float *bias = o->inputs[2] < 0 ? NULL : values(ctx, all, o->inputs[2]);
  float *y = values(ctx, all, o->output);
  int outputs = ctx->tensors[o->inputs[1]].dims->data[0];
  int inputs = ctx->tensors[o->inputs[1]].dims->data[1];
  long rows = elements(ctx, o->output) / outputs;
  for (long r = 0; r < rows; r++)
    for (int j = 0; j < outputs; j++) {
      float sum = bias ? bias[j] : 0;
      for (int i = 0; i < inputs; i++) sum += x[r * inputs + i] * w[(long)j * inputs + i];
      y[r * outputs + j] = activate(sum, o->activation);
    }
}

static void *init(tfl_ctx *ctx, const char *buffer, size_t length) {
  (void)length;
  const tfl_delegate_params *params = (const tfl_delegate_params *)buffer;
  partition *all = calloc(1, sizeof *all);
  all->count = params->nodes_to_replace->size;
  all->ops = calloc((size_t)all->count, sizeof(op));
  for (int i = 0; i < all->count; i++) {
    tfl_node *node;
    tfl_reg *reg;
    ctx->GetNodeAndRegistration(ctx, params->nodes_to_replace->data[i], &node, &reg);
    op *o = &all->ops[i];
    o->code = reg->builtin_code;
    o->activation = *(int *)node->builtin_data; /* the first field of both operators' parameters */
    for (int k = 0; k < 3; k++) o->inputs[k] = k < node->inputs->size ? node->inputs->data[k] : -1;
    o->output = node->outputs->data[0];
    int outside = 0;
    for (int k = 0; k < params->output_tensors->size; k++)
      outside |= params->output_tensors->data[k] == o->output;
    if (!outside) o->own = malloc(ctx->tensors[o->output].bytes);
  }
  return all;
}

static void release(tfl_ctx *ctx, void *data) {
  (void)ctx;
  partition *all = data;
  for (int i = 0; i < all->count; i++) free(all->ops[i].own);
  free(all->ops);
  free(all);
}

static int prepare(tfl_ctx *ctx, tfl_node *node) {
  (void)node;
  if (fails("prepare")) {
    ctx->ReportError(ctx, "told to fail in prepare");
    return TFL_ERROR;
  }
  return TFL_OK;
}

static int invoke(tfl_ctx *ctx, tfl_node *node) {
  partition *all = node->user_data;
  int spoil = how.calls++ >= how.after;
  if (how.delay_us) usleep((useconds_t)how.delay_us);
  if (*how.device && access(how.device, F_OK)) {
    ctx->ReportError(ctx, "the device is gone");
    return TFL_ERROR;
  }
  if (spoil && fails("invoke")) {
    ctx->ReportError(ctx, "told to fail in invoke");
    return TFL_ERROR;
  }
  for (int i = 0; i < all->count; i++) {
    op *o = &all->ops[i];
    if (o->code == TFL_OP_ADD)
      add(ctx, all, o);
    else
      fully_connected(ctx, all, o);
  }
  if (spoil && (is("wrong") || is("nan"))) {
    int last = node->outputs->data[0];
    for (long i = 0; i < elements(ctx, last); i++)
      ctx->tensors[last].data.f[i] = is("nan") ? NAN : ctx->tensors[last].data.f[i] * 2 + 1;
  }
  return TFL_OK;
}

static int claim(tfl_ctx *ctx, tfl_delegate *delegate) {
  tfl_ints *plan;
  if (ctx->GetExecutionPlan(ctx, &plan) != TFL_OK) return TFL_ERROR;
  tfl_ints *mine = calloc(1, sizeof(int) * (size_t)(plan->size + 1));
  for (int i = 0; i < plan->size && !is("idle"); i++) {
    tfl_node *node;
    tfl_reg *reg;
    ctx->GetNodeAndRegistration(ctx, plan->data[i], &node, &reg);
    int known = reg->builtin_code == TFL_OP_ADD || reg->builtin_code == TFL_OP_FULLY_CONNECTED;
    if (known && ctx->tensors[node->outputs->data[0]].type == TFL_FLOAT32)
      mine->data[mine->size++] = plan->data[i];
  }
  tfl_reg reg = {init, release, prepare, invoke, NULL, 0, "TestDelegate", 1, 0, 0, 0, {0}};
  int status = ctx->ReplaceNodeSubsetsWithDelegateKernels(ctx, reg, mine, delegate);
  free(mine);
  return status;
}

static int keep(const char *key, const char *value) {
  struct { const char *key; char *text; size_t size; } texts[] = {
      {"mode", how.mode, sizeof how.mode},          {"stage", how.stage, sizeof how.stage},
      {"trigger", how.trigger, sizeof how.trigger}, {"device", how.device, sizeof how.device},
      {"lock", how.lock, sizeof how.lock}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!strcmp(key, texts[i].key)) return snprintf(texts[i].text, texts[i].size, "%s", value);
  if (!strcmp(key, "after")) how.after = atol(value);
  else if (!strcmp(key, "delay_us")) how.delay_us = atol(value);
  else return 0;
  return 1;
}

tfl_delegate *tflite_plugin_create_delegate(char **keys, char **options, size_t count,
                                            void (*report)(const char *)) {
  memset(&how, 0, sizeof how);
  for (size_t i = 0; i < count; i++)
    if (!keep(keys[i], options[i])) {
      report("unknown option");
      return NULL;
    }
  if (*how.device && access(how.device, F_OK)) {
    report("no device");
    return NULL;
  }
  if (*how.lock) {
    int file = open(how.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || flock(file, LOCK_EX | LOCK_NB)) {
      report("the device is in use by another process");
      return NULL;
    }
  }
  if (fails("create")) {
    report("told to fail in create");
    return NULL;
  }
  tfl_delegate *delegate = calloc(1, sizeof *delegate);
  delegate->Prepare = claim;
  return delegate;
}

void tflite_plugin_destroy_delegate(tfl_delegate *delegate) { free(delegate); }

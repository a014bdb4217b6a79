// A shop's BullMQ: bullmq.js work|trade, against the Redis of REDIS_URL.
const { Queue, Worker } = require('bullmq');

const { hostname, port } = new URL(process.env.REDIS_URL);
const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function work() {
  const mail = new Queue('mail', { connection });
  await mail.upsertJobScheduler('tick', { every: 20000 }, { name: 'ok' });
  await mail.upsertJobScheduler('nightly', { pattern: '0 3 * * *' }, { name: 'ok' });
  const task = async (job) => {
    if (job.name === 'payment' && job.attemptsMade === 0) throw new Error('no answer of the bank');
    await pause(job.name === 'report' ? 60e3 : 50);
  };
  // A rate limit that a burst meets for a minute.
  const workers = [
    new Worker('mail', task, { connection, concurrency: 5, limiter: { max: 20, duration: 10000 } }),
    new Worker('reports', task, { connection, concurrency: 2 }),
    new Worker('night', task, { connection }),
  ];
  process.on('SIGTERM', async () => {
    await Promise.race([Promise.all(workers.map((worker) => worker.close())), pause(8000)]);
    process.exit();
  });
}

async function trade() {
  const [mail, reports, night] = ['mail', 'reports', 'night'].map((name) => new Queue(name, { connection }));
  const options = { removeOnComplete: 100, removeOnFail: 100 };
  await night.add('ok', {}, options);
  for (let second = 1; ; second++) {
    await mail.add('ok', {}, options);
    if (second % 200 === 0) await mail.add('payment', {}, { ...options, attempts: 3, backoff: 5000 });
    if (second % 30 === 0) await mail.add('ok', {}, { ...options, delay: 20000 });
    if (second % 45 === 0) await reports.add('report', {}, options);
    if (second % 300 === 0) for (let i = 0; i < 100; i++) await mail.add('ok', {}, options);
    if (second % 900 === 0) for (let i = 0; i < 5; i++) await reports.add('report', {}, options);
    await pause(1000);
  }
}

({ work, trade })[process.argv[2]]().catch((error) => { console.error(error); process.exit(1); });

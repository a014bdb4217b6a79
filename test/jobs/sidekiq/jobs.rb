# The jobs that Sidekiq's worker runs; it loads this file, as main.rb does.
require "sidekiq"

Sidekiq.configure_client { |config| config.redis = {url: ENV.fetch("REDIS_URL")} }
Sidekiq.configure_server do |config|
  config.redis = {url: ENV.fetch("REDIS_URL")}
  # Nobody moves due jobs into their queues, so that one stays overdue.
  Sidekiq.options[:scheduled_enq] = Class.new { def enqueue_jobs(*) = nil }
end

class Ok
  include Sidekiq::Worker

  def perform = nil
end

class Slow
  include Sidekiq::Worker
  sidekiq_options queue: "slow"

  def perform = sleep(900)
end

class Fails
  include Sidekiq::Worker
  sidekiq_options retry: 5
  sidekiq_retry_in { 3600 }

  def perform = raise("on purpose")
end

class Dies
  include Sidekiq::Worker
  sidekiq_options retry: 0

  def perform = raise("on purpose")
end
